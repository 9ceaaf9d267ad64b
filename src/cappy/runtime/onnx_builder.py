"""Building an ONNX graph node by node; the session supplies the weights by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators: fused products, normalisation and activation."""


@dataclass
class Graph:
    """Nodes, constants and external weights of a graph. Every method returns its output's name."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)
    inputs: list[tuple[str, int, int]] = field(default_factory=list)
    weights: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)

    def add(self, op: str, inputs: Sequence[str], domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; return its output name, or a list of names if it has several."""
        names = [f"t{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: NDArray[Any]) -> str:
        """Add a small constant; equal constants are stored once."""
        name = f"c_{value.dtype.name}_{'x'.join(map(str, value.shape))}_{value.tobytes().hex()}"
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def ints(self, *values: int) -> str:
        """Add a vector of integers."""
        return self.constant(np.array(values, dtype=np.int64))

    def weight(self, name: str, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> str:
        """Declare a weight that the session supplies."""
        self.weights[name] = (kind, shape)
        return name

    def input(self, name: str, dimensions: int, kind: int = TensorProto.INT64) -> str:
        """Declare an input with this number of dynamic dimensions; repeated declarations return the same one."""
        if (name, kind, dimensions) not in self.inputs:
            self.inputs.append((name, kind, dimensions))
        return name

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; 0 keeps a dimension and -1 is inferred."""
        return str(self.add("Reshape", [x, self.ints(*shape)]))

    def transpose(self, x: str, *order: int) -> str:
        """Permute dimensions."""
        return str(self.add("Transpose", [x], perm=list(order)))

    def take(self, x: str, index: str) -> str:
        """Gather along the first dimension."""
        return str(self.add("Gather", [x, index], axis=0))

    def model(
        self, output: str, name: str = "scores", rank: int = 1, more: Mapping[str, tuple[str, int]] | None = None
    ) -> ModelProto:
        """Finish the graph; `name` is its output, of `rank` dimensions; `more` lists other outputs with their ranks."""
        outputs = {name: (output, rank), **(more or {})}
        self.nodes += [helper.make_node("Identity", [value], [name]) for name, (value, _) in outputs.items()]
        inputs = [helper.make_tensor_value_info(name, kind, [None] * rank) for name, kind, rank in self.inputs]
        external = [_external(name, kind, shape) for name, (kind, shape) in self.weights.items()]
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, (_, rank) in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "cappy", inputs, results, [*self.constants.values(), *external])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _external(name: str, kind: int, shape: tuple[int, ...]) -> TensorProto:
    """Declare a tensor whose data the session supplies."""
    tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    return tensor
