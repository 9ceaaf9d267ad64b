"""Scores and mean states by OpenVINO: the same graph, its matrix products in bfloat16 where the processor has it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from onnx import ModelProto, helper

from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import Batch
from cappy.runtime.feeds import batch_inputs, place_inputs
from cappy.runtime.graph_weights import Weights, graph_arrays
from cappy.runtime.onnx_graph import EncoderGraph

HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoRuntime:
    """Scores packed batches on the CPU. Threads may share one: each run has a request of its own."""

    def __init__(self, spec: EncoderSpec, weights: Weights, layout: str, precision: str, threads: int = 0) -> None:
        """Compile the graph; `threads` 0 takes one a core this process may use."""
        self.layout, self._spec = layout, spec
        self._config = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads or len(os.sched_getaffinity(0)),
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned threads wait for each other where other programs use the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        half = precision == "bf16"
        self._make = partial(EncoderGraph, spec, precision="fp32", half_tables=half, half_products=half)
        self._weights = weights
        builder = self._make(layout=layout)
        self._scores = self._compile(builder, builder.build())
        self._means: dict[tuple[int, ...], _Compiled] = {}
        self._lock = Lock()

    def _compile(self, builder: EncoderGraph, graph: ModelProto) -> _Compiled:
        core = openvino.Core()
        model = core.read_model(with_weights_as_inputs(graph, builder).SerializeToString())
        give_weights(model, builder, self._weights, self._spec)
        return _Compiled(core.compile_model(model, "CPU", self._config))

    def score(self, batch: Batch) -> NDArray[np.float32]:
        """Score every segment of `batch`: [segments]."""
        return self._scores.run(batch_inputs(batch) | place_inputs(batch, self._spec))

    def means(self, batch: Batch, layers: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean of every segment's hidden states, each standing alone: [segments, layers * hidden].

        The graph for it is compiled when it is first wanted.
        """
        with self._lock:
            if layers not in self._means:
                builder = self._make(layout="joint")
                self._means[layers] = self._compile(builder, builder.build_means(layers))
        feed = batch_inputs(batch) | place_inputs(batch, self._spec)
        feed["segment_share"] = ((feed["own_bias"] == 0) / batch.segments.lengths[:, None]).astype(np.float32)
        return self._means[layers].run(feed)


class _Compiled:
    """A compiled graph with one output, and the requests that run it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._names = [node.get_any_name() for node in model.inputs]
        self._free: SimpleQueue[Any] = SimpleQueue()

    def run(self, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Compute the output for `feed`, of which only what the graph wants is read."""
        with self._request() as request:
            found = request.infer({name: feed[name] for name in self._names}, share_inputs=True)
            return np.array(found[0], dtype=np.float32)

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """Lend a request that nobody else uses."""
        try:
            request = self._free.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        try:
            yield request
        finally:
            self._free.put(request)


def with_weights_as_inputs(graph: ModelProto, builder: EncoderGraph) -> ModelProto:
    """Declare a graph's weights as inputs, so that the graph can be read without a copy of them."""
    declared = builder.graph.weights
    constants = [tensor for tensor in graph.graph.initializer if tensor.name not in declared]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(constants)
    graph.graph.input.extend(
        helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in declared.items()
    )
    return graph


def give_weights(model: Any, builder: EncoderGraph, weights: Weights, spec: EncoderSpec) -> None:
    """Put constants in the place of a model's weight inputs, in the type that the graph declares for each."""
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
