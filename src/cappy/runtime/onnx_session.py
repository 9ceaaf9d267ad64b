"""Scores and mean states by onnxruntime: sessions made from a checkpoint's weights, and the arrays they are fed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Lock

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import Batch
from cappy.runtime.feeds import batch_inputs, place_inputs
from cappy.runtime.graph_weights import Weights, graph_arrays
from cappy.runtime.onnx_graph import build_graph, byte_product_graph


class OnnxRuntime:
    """Scores packed batches on the CPU. Threads may share one: a session keeps no state between runs."""

    def __init__(self, spec: EncoderSpec, weights: Weights, layout: str, precision: str, threads: int = 0) -> None:
        """Make a session; `threads` 0 takes one a core."""
        self.layout = layout
        tables = {name: weights[name] for name, _ in spec.embedding_tables.values()}
        half = all(table.dtype == np.float16 for table in tables.values())
        graph, shapes = build_graph(spec, layout, precision, half)
        others = {name: shape for name, shape in shapes.items() if name not in tables}
        arrays = graph_arrays(others, weights, spec, weight_levels(byte_product(1)) if precision == "int8" else 0)
        arrays |= tables if half else {name: table.astype(np.float32) for name, table in tables.items()}
        # The values stay alive with this object: sessions do not copy what they can use in place.
        self._values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}
        self._spec, self._threads = spec, threads
        self._session = self._open(graph, list(self._values))
        self._means, self._lock = partial(build_graph, spec, "joint", precision, half), Lock()
        self._means_sessions: dict[tuple[int, ...], ort.InferenceSession] = {}
        self._wanted = {node.name for node in self._session.get_inputs()}

    def _open(self, graph: bytes, names: Sequence[str]) -> ort.InferenceSession:
        """Make a session of a graph that wants the weights of these names."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # A memory plan is made and kept for every new combination of shapes, of which there is no end here: memory
        # would grow with every kind of batch that a server sees, and nothing is faster for it.
        options.enable_mem_pattern = False
        options.add_external_initializers(list(names), [self._values[name] for name in names])
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def score(self, batch: Batch) -> NDArray[np.float32]:
        """Score every segment of `batch`: [segments]."""
        feed = batch_inputs(batch) | place_inputs(batch, self._spec)
        (scores,) = self._session.run(["scores"], {name: feed[name] for name in self._wanted})
        return np.asarray(scores)

    def means(self, batch: Batch, layers: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the mean of every segment's hidden states, each standing alone: [segments, layers * hidden].

        The session for it is made when it is first wanted; weights are shared with that of scores.
        """
        with self._lock:
            if layers not in self._means_sessions:
                graph, shapes = self._means(means=layers)
                self._means_sessions[layers] = self._open(graph, list(shapes))
            session = self._means_sessions[layers]
        feed = batch_inputs(batch) | place_inputs(batch, self._spec)
        valid = feed["own_bias"] == 0
        feed["segment_share"] = (valid / batch.segments.lengths[:, None]).astype(np.float32)
        wanted = {node.name for node in session.get_inputs()}
        (means,) = session.run(["means"], {name: feed[name] for name in wanted})
        return np.asarray(means)


def byte_product(threads: int) -> float:
    """Multiply the largest bytes on this processor: 64 times 255 · 127, if nothing saturates."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(byte_product_graph(), options, providers=["CPUExecutionProvider"])
    feed = {"left": np.full((8, 64), 255, dtype=np.uint8), "right": np.full((64, 8), 127, dtype=np.int8)}
    (product,) = session.run(None, feed)
    return float(np.min(product))


def weight_levels(product: float) -> int:
    """Return how many steps weights are rounded to on either side of zero, given `byte_product`.

    Older x86 processors add two byte products in 16 bits, which saturate; weights of 7 bits keep that exact.
    """
    return 127 if product == 64 * 255 * 127 else 63
