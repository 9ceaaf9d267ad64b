"""Scores and mean states with onnxruntime: sessions built from a checkpoint's weights."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from cappy.encoders.spec import EncoderSpec
from cappy.runtime.graph_runtime import Feed, Floats, GraphRuntime, Kind, Run
from cappy.runtime.graph_weights import Weights, graph_arrays
from cappy.runtime.onnx_graph import EncoderGraph
from cappy.runtime.onnx_products import byte_product_graph


class OnnxRuntime(GraphRuntime):
    """Scores packed batches on the CPU. Thread-safe: a session keeps no state between runs."""

    def __init__(self, spec: EncoderSpec, weights: Weights, layout: str, precision: str, threads: int = 0) -> None:
        """Create a session; `precision` is `fp32` or `int8`, `threads` 0 uses one thread per core."""
        self._weights, self._precision, self._threads = weights, precision, threads
        self._tables = {name: weights[name] for name, _ in spec.embedding_tables.values()}
        self._half = all(table.dtype == np.float16 for table in self._tables.values())
        # Keep the values alive: sessions use and share them in place where they can.
        self._values: dict[str, ort.OrtValue] = {}
        self._levels = weight_levels(byte_product(1)) if precision == "int8" else 0
        super().__init__(spec, layout)

    def _open(self, kind: Kind) -> Run:
        layout = "joint" if isinstance(kind, tuple) else self.layout
        builder = EncoderGraph(self._spec, layout, self._precision, self._half, lanes=self._width(1))
        graph = builder.build_kind(kind).SerializeToString()
        names = list(builder.graph.weights)
        self._bring({name: shape for name, (_, shape) in builder.graph.weights.items() if name not in self._values})
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # onnxruntime would keep a memory plan for every combination of shapes, and these are unlimited here: memory
        # would grow with every kind of batch that a server sees, without any gain in speed.
        options.enable_mem_pattern = False
        options.add_external_initializers(names, [self._values[name] for name in names])
        # The fused operator is slower than an addition and Gelu.
        session = ort.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=["BiasGeluFusion"]
        )
        inputs, outputs = ([node.name for node in nodes] for nodes in (session.get_inputs(), session.get_outputs()))

        def run(feed: Feed) -> dict[str, Floats]:
            found = session.run(outputs, {name: feed[name] for name in inputs})
            return {name: np.asarray(value) for name, value in zip(outputs, found, strict=True)}

        return run

    def _bring(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Derive the named weights that no session has yet."""
        others = {name: shape for name, shape in shapes.items() if name not in self._tables}
        arrays = graph_arrays(others, self._weights, self._spec, self._levels)
        for name in shapes.keys() & self._tables.keys():
            arrays[name] = self._tables[name] if self._half else self._tables[name].astype(np.float32)
        self._values |= {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}


def byte_product(threads: int) -> float:
    """Multiply the largest bytes on this processor: the result is 64 · 255 · 127 unless it saturates."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(byte_product_graph(), options, providers=["CPUExecutionProvider"])
    feed = {"left": np.full((8, 64), 255, dtype=np.uint8), "right": np.full((64, 8), 127, dtype=np.int8)}
    (product,) = session.run(None, feed)
    return float(np.min(product))


def weight_levels(product: float) -> int:
    """Return the number of steps on either side of zero that weights are rounded to, given `byte_product`.

    Older x86 processors add two byte products in 16 bits, which saturate; 7-bit weights keep the sum exact.
    """
    return 127 if product == 64 * 255 * 127 else 63
