"""Scores and mean states with OpenVINO: the same graph, with matrix products in bfloat16 on processors that have it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import openvino
from onnx import ModelProto, helper

from cappy.encoders.spec import EncoderSpec
from cappy.runtime.graph_runtime import Feed, Floats, GraphRuntime, Kind, Run
from cappy.runtime.graph_weights import Weights, graph_arrays
from cappy.runtime.onnx_graph import EncoderGraph
from cappy.runtime.processor import release_freed_memory, usable_cores

HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoRuntime(GraphRuntime):
    """Scores packed batches on the CPU. Thread-safe: each run uses its own inference request."""

    few_shapes = True  # OpenVINO generates code for every new shape

    def __init__(self, spec: EncoderSpec, weights: Weights, layout: str, precision: str, threads: int = 0) -> None:
        """Compile the graph; `precision` is `fp32` or `bf16`, `threads` 0 uses one thread per core of this process."""
        self._weights, self._half = weights, precision == "bf16"
        self._config = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned threads wait for each other if other programs use the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        super().__init__(spec, layout)

    def _open(self, kind: Kind) -> Run:
        layout = "joint" if isinstance(kind, tuple) else self.layout
        builder = EncoderGraph(
            self._spec, layout, "fp32", half_tables=self._half, half_products=self._half, lanes=self._width(1)
        )
        graph = with_weights_as_inputs(builder.build_kind(kind), builder)
        core = openvino.Core()
        model = core.read_model(graph.SerializeToString())
        give_weights(model, builder, self._weights, self._spec)
        compiled = core.compile_model(model, "CPU", self._config)
        del model
        release_freed_memory()  # compiling copies all weights for a while
        return _Compiled(compiled).run


class _Compiled:
    """A compiled graph with a pool of inference requests."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._inputs = [node.get_any_name() for node in model.inputs]
        self._outputs = [node.get_any_name() for node in model.outputs]
        self._free: SimpleQueue[Any] = SimpleQueue()

    def run(self, feed: Feed) -> dict[str, Floats]:
        """Compute the outputs for `feed`; entries that the graph does not need are ignored."""
        with self._request() as request:
            request.infer({name: feed[name] for name in self._inputs}, share_inputs=True)
            return {name: np.array(request.get_tensor(name).data, dtype=np.float32) for name in self._outputs}

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """Borrow a free inference request."""
        try:
            request = self._free.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        try:
            yield request
        finally:
            self._free.put(request)


def with_weights_as_inputs(graph: ModelProto, builder: EncoderGraph) -> ModelProto:
    """Declare a graph's weights as inputs, so that the graph can be loaded without copying them."""
    declared = builder.graph.weights
    constants = [tensor for tensor in graph.graph.initializer if tensor.name not in declared]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(constants)
    graph.graph.input.extend(
        helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in declared.items()
    )
    return graph


def give_weights(model: Any, builder: EncoderGraph, weights: Weights, spec: EncoderSpec) -> None:
    """Replace a model's weight inputs by constants, in the type that the graph declares for each."""
    declared = builder.graph.weights
    tables = {name for name, _ in spec.embedding_tables.values()}
    shapes = {name: shape for name, (_, shape) in declared.items() if name not in tables}
    types = {name: helper.tensor_dtype_to_np_dtype(kind) for name, (kind, _) in declared.items()}
    arrays = graph_arrays(shapes, weights, spec, 0, types) | {
        name: weights[name].astype(types[name]) for name in tables
    }
    for parameter in list(model.get_parameters()):
        array = arrays.pop(parameter.get_friendly_name(), None)
        if array is not None:
            constant = openvino.op.Constant(array, shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
