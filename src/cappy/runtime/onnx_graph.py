"""An encoder as an ONNX graph over packed tokens: the same cascade as `torch_encoder`, without torch.

The graph holds no weights. It names them, and the session takes them from the checkpoint's own
safetensors file when it is made, so one file serves every runtime and precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from cappy.checkpoint.spec import EncoderSpec

MICROSOFT = "com.microsoft"
"""Operators that onnxruntime brings: fused products, normalisation and activation."""


@dataclass
class Graph:
    """Nodes, constants and external weights under construction. Every method returns its output's name."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)
    inputs: list[tuple[str, int, int]] = field(default_factory=list)
    weights: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)

    def add(self, op: str, inputs: Sequence[str], domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; returns its output name, or a list of them if it has several."""
        names = [f"t{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: NDArray[Any]) -> str:
        """Name a small constant; equal ones are kept once."""
        name = f"c_{value.dtype.name}_{'x'.join(map(str, value.shape))}_{value.tobytes().hex()}"
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def ints(self, *values: int) -> str:
        """Name a vector of integers."""
        return self.constant(np.array(values, dtype=np.int64))

    def weight(self, name: str, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> str:
        """Name a weight that the session will be given."""
        self.weights[name] = (kind, shape)
        return name

    def input(self, name: str, dimensions: int, kind: int = TensorProto.INT64) -> str:
        """Declare an input with that many dynamic dimensions."""
        self.inputs.append((name, kind, dimensions))
        return name

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; 0 keeps a dimension and -1 takes what is left."""
        return str(self.add("Reshape", [x, self.ints(*shape)]))

    def transpose(self, x: str, *order: int) -> str:
        """Permute dimensions."""
        return str(self.add("Transpose", [x], perm=list(order)))

    def take(self, x: str, index: str) -> str:
        """Gather along the first dimension."""
        return str(self.add("Gather", [x, index], axis=0))

    def model(self, output: str) -> ModelProto:
        """Close the graph; its one output is named `scores`."""
        self.nodes.append(helper.make_node("Identity", [output], ["scores"]))
        inputs = [helper.make_tensor_value_info(name, kind, [None] * rank) for name, kind, rank in self.inputs]
        external = [_external(name, kind, shape) for name, (kind, shape) in self.weights.items()]
        result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None])
        graph = helper.make_graph(self.nodes, "cappy", inputs, [result], [*self.constants.values(), *external])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _external(name: str, kind: int, shape: tuple[int, ...]) -> TensorProto:
    """Declare a tensor whose data the session brings."""
    tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    return tensor


@dataclass(frozen=True, slots=True)
class _Rows:
    """Names of the inputs that spread packed tokens over padded rows."""

    index: str
    bias: str
    inverse: str

    @classmethod
    def declare(cls, graph: Graph, name: str) -> _Rows:
        index = graph.input(f"{name}_index", 2)
        bias = graph.input(f"{name}_bias", 2, TensorProto.FLOAT)
        return cls(index, graph.add("Unsqueeze", [bias, graph.ints(1, 2)]), graph.input(f"{name}_inverse", 1))


@dataclass(frozen=True, slots=True)
class _Queries:
    """Names of the inputs that place query tokens in their segments (`own`) and behind their prefix (`row`).

    `own`, `row`: [rows, longest] into packed queries, with the inverse of each; `own_of_row` and
    `row_of_own` go from one padded arrangement straight to the other.
    """

    own: str
    own_inverse: str
    own_of_row: str
    row: str = ""
    row_inverse: str = ""
    row_of_own: str = ""


class EncoderGraph:
    """Builds the graph of one encoder in one layout and precision."""

    def __init__(self, spec: EncoderSpec, layout: str, precision: str) -> None:
        """Start a graph; `precision` is `fp32` or `int8`."""
        self.spec, self.layout, self.precision = spec, layout, precision
        self.graph = Graph()

    def build(self) -> ModelProto:
        """Return the whole graph: packed tokens and their indices in, one score a segment out."""
        joint = self.layout == "joint"
        graph, spec = self.graph, self.spec
        x = self._embed("segment")
        own = _Rows.declare(graph, "own")
        prefix = "" if joint else self._embed("prefix")
        prefix_rows = own if joint else _Rows.declare(graph, "prefix")
        starts = graph.input("starts", 1)
        tokens = _Queries(own.index, own.inverse, *(self._places("token") if not joint else ("",)))
        first_own = graph.add("Unsqueeze", [graph.input("segments", 1), graph.ints(1)])
        firsts = _Queries(first_own, "segments", *(self._places("first") if not joint else ("",)))
        for index in range(spec.layers):
            layer = spec.layer(index)
            last = index == spec.layers - 1
            query, key, value = self._queries_keys_values(x, layer, starts if last else None)
            places = firsts if last else tokens
            if joint:
                attended = self._attend_own(query, key, value, places, own)
            else:
                # of the last layer only the scored tokens are read, and the instruction's keys and values
                prefix_q, prefix_k, prefix_v = self._queries_keys_values(prefix, layer, "none" if last else None)
                attended = self._attend_behind(query, key, value, places, own, prefix_k, prefix_v, prefix_rows)
                if not last:
                    whole = _Queries(prefix_rows.index, prefix_rows.inverse, "")
                    mixed = self._attend_own(prefix_q, prefix_k, prefix_v, whole, prefix_rows)
                    prefix = self._finish_layer(prefix, mixed, layer)
            if last:
                x = graph.take(x, starts)
            x = self._finish_layer(x, attended, layer)
        dense, out = spec.head
        hidden = graph.add("Tanh", [self._plain_dense(x, dense, spec.hidden, spec.hidden)])
        scores = self._plain_dense(hidden, out, spec.hidden, 1)
        return graph.model(graph.reshape(scores, -1))

    def _places(self, name: str) -> tuple[str, str, str, str]:
        graph = self.graph
        own_of_row = graph.input(f"{name}_own_of_row", 2)
        row, inverse = graph.input(f"{name}_row", 2), graph.input(f"{name}_row_inverse", 1)
        return own_of_row, row, inverse, graph.input(f"{name}_row_of_own", 2)

    def _embed(self, name: str) -> str:
        """Packed ids, positions and types to normalised embeddings [tokens, hidden]."""
        graph, spec = self.graph, self.spec
        rows = {"word": spec.vocabulary, "position": spec.max_tokens + spec.position_offset}
        rows["token_type"] = spec.token_types
        parts = []
        for part, count in rows.items():
            table = graph.weight(
                f"{spec.embeddings}{part}_embeddings.weight", (count, spec.hidden), TensorProto.FLOAT16
            )
            found = graph.take(table, graph.input(f"{name}_{part}", 1))
            parts.append(graph.add("Cast", [found], to=TensorProto.FLOAT))
        total = graph.add("Add", [graph.add("Add", parts[:2]), parts[2]])
        scale, bias = (graph.weight(f"{spec.embeddings}LayerNorm.{leaf}", (spec.hidden,)) for leaf in ("weight", "bias"))
        return str(graph.add("LayerNormalization", [total, scale, bias], axis=-1, epsilon=spec.norm_eps))

    def _queries_keys_values(self, x: str, layer: str, only: str | None) -> tuple[str, str, str]:
        """Project packed tokens [tokens, hidden]; `only` names the tokens that ask ("none": nobody does)."""
        graph, d = self.graph, self.spec.hidden
        at = f"{layer}attention.self."
        if only is None:
            fused = self._dense(x, f"{at}qkv", d, 3 * d)
            query, key, value = graph.add("Split", [fused], outputs=3, axis=1, num_outputs=3)
            return query, key, value
        key, value = graph.add("Split", [self._dense(x, f"{at}kv", d, 2 * d)], outputs=2, axis=1, num_outputs=2)
        query = "" if only == "none" else self._dense(graph.take(x, only), f"{at}query", d, d)
        return query, key, value

    def _dense(self, x: str, name: str, width: int, out: int) -> str:
        """Affine map of [tokens, width] to [tokens, out], bias included."""
        product = self._product(x, name, width, out)
        if self.precision == "fp32":
            return product
        return str(self.graph.add("Add", [product, self.graph.weight(f"{name}.bias", (out,))]))

    def _plain_dense(self, x: str, name: str, width: int, out: int) -> str:
        """Affine map in float32 whatever the precision; the head is small and decides the score."""
        weight, bias = self.graph.weight(f"{name}.weight", (out, width)), self.graph.weight(f"{name}.bias", (out,))
        return str(self.graph.add("Gemm", [x, weight, bias], transB=1))

    def _product(self, x: str, name: str, width: int, out: int) -> str:
        """Multiply by a weight: with its bias in fp32, without it in int8.

        In int8 every token is scaled by its own largest value, so that no token's rounding depends on
        its company; weights are scaled by output channel.
        """
        graph = self.graph
        if self.precision == "fp32":
            return self._plain_dense(x, name, width, out)
        largest = graph.add("ReduceMax", [graph.add("Abs", [x]), graph.ints(-1)], keepdims=1)
        floor = graph.constant(np.array(1e-12, dtype=np.float32))
        scale = graph.add("Max", [largest, floor])
        one = graph.constant(np.array(1 / 127, dtype=np.float32))
        middle = graph.constant(np.array(128, dtype=np.uint8))
        rounded = graph.add("QuantizeLinear", [graph.add("Div", [x, scale]), one, middle])
        weight = graph.weight(f"{name}.int8", (width, out), TensorProto.INT8)
        channel = graph.weight(f"{name}.scale", (out,))
        product = graph.add("MatMulIntegerToFloat", [rounded, weight, one, channel, middle], MICROSOFT)
        return str(graph.add("Mul", [product, scale]))

    def _finish_layer(self, x: str, attended: str, layer: str) -> str:
        """Attention output, residuals and the feed-forward part: [tokens, hidden] to [tokens, hidden]."""
        d, inner = self.spec.hidden, self.spec.intermediate
        x = self._residual(x, attended, f"{layer}attention.output", d)
        if self.precision == "fp32":
            grown = self.graph.add("Gelu", [self._product(x, f"{layer}intermediate.dense", d, inner)])
        else:
            product = self._product(x, f"{layer}intermediate.dense", d, inner)
            bias = self.graph.weight(f"{layer}intermediate.dense.bias", (inner,))
            grown = self.graph.add("BiasGelu", [product, bias], MICROSOFT)
        return self._residual(x, grown, f"{layer}output", inner)

    def _residual(self, x: str, inner: str, name: str, width: int) -> str:
        """LayerNorm(x + dense(inner)), the bias of an int8 product added in the same step."""
        graph, d = self.graph, self.spec.hidden
        product = self._product(inner, f"{name}.dense", width, d)
        inputs = [product, x, *(graph.weight(f"{name}.LayerNorm.{leaf}", (d,)) for leaf in ("weight", "bias"))]
        if self.precision != "fp32":
            inputs.append(graph.weight(f"{name}.dense.bias", (d,)))
        return str(graph.add("SkipLayerNormalization", inputs, MICROSOFT, epsilon=self.spec.norm_eps))

    def _heads(self, x: str, index: str) -> str:
        """Packed [tokens, hidden] to padded heads [rows, heads, longest, head size]."""
        padded = self.graph.take(x, index)
        split = self.graph.reshape(padded, 0, 0, self.spec.heads, self.spec.head_size)
        return self.graph.transpose(split, 0, 2, 1, 3)

    def _unheads(self, x: str, inverse: str) -> str:
        """Padded heads [rows, heads, longest, head size] back to packed [tokens, hidden]."""
        flat = self.graph.reshape(self.graph.transpose(x, 0, 2, 1, 3), -1, self.spec.hidden)
        return self.graph.take(flat, inverse)

    def _scores(self, query: str, key: str, bias: str) -> str:
        """Scaled products of queries and keys, padding masked: [rows, heads, queries, keys]."""
        alpha = 1 / math.sqrt(self.spec.head_size)
        product = self.graph.add("FusedMatMul", [query, key], MICROSOFT, transB=1, alpha=alpha)
        return str(self.graph.add("Add", [product, bias]))

    def _attend_own(self, query: str, key: str, value: str, places: _Queries, rows: _Rows) -> str:
        """Full attention within each row: packed in and out."""
        scores = self._scores(self._heads(query, places.own), self._heads(key, rows.index), rows.bias)
        weights = self.graph.add("Softmax", [scores], axis=-1)
        mixed = self.graph.add("MatMul", [weights, self._heads(value, rows.index)])
        return self._unheads(mixed, places.own_inverse)

    def _attend_behind(
        self, query: str, key: str, value: str, places: _Queries, own: _Rows, keys: str, values: str, prefix: _Rows
    ) -> str:
        """Attention of candidates' tokens over their instruction (`keys`, `values`) and themselves.

        The two parts are scored apart and share one softmax. Packed in and out.
        """
        graph = self.graph
        to_prefix = self._scores(self._heads(query, places.row), self._heads(keys, prefix.index), prefix.bias)
        to_self = self._scores(self._heads(query, places.own), self._heads(key, own.index), own.bias)
        to_self = self._rearrange(to_self, places.own_of_row)
        weights = graph.add("Softmax", [graph.add("Concat", [to_prefix, to_self], axis=-1)], axis=-1)
        width = graph.add("Shape", [prefix.index], start=1, end=2)
        own_width = graph.add("Shape", [own.index], start=1, end=2)
        sizes = graph.add("Concat", [width, own_width], axis=0)
        on_prefix, on_self = graph.add("Split", [weights, sizes], outputs=2, axis=-1)
        from_prefix = graph.add("MatMul", [on_prefix, self._heads(values, prefix.index)])
        on_self = self._rearrange(on_self, places.row_of_own)
        from_self = graph.add("MatMul", [on_self, self._heads(value, own.index)])
        parts = [self._unheads(from_prefix, places.row_inverse), self._unheads(from_self, places.own_inverse)]
        return str(graph.add("Add", parts))

    def _rearrange(self, scores: str, index: str) -> str:
        """Move query rows of [rows, heads, queries, keys] to another padded arrangement of the queries."""
        graph = self.graph
        by_query = graph.transpose(scores, 0, 2, 1, 3)
        shape = graph.add("Shape", [by_query], start=2)
        flat_shape = graph.add("Concat", [graph.ints(-1), shape], axis=0)
        moved = graph.take(graph.add("Reshape", [by_query, flat_shape]), index)
        return graph.transpose(moved, 0, 2, 1, 3)


def build_graph(spec: EncoderSpec, layout: str, precision: str) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """Return the serialised graph and the names and shapes of the weights it wants."""
    builder = EncoderGraph(spec, layout, precision)
    model = builder.build()
    return model.SerializeToString(), {name: shape for name, (_, shape) in builder.graph.weights.items()}
