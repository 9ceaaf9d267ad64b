"""Scores and mean states by onnxruntime: sessions made from a checkpoint's weights, and the arrays they are fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cappy.encoders.places import buckets_between, rotations, within_reach
from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import Batch, Packed, masked, spread
from cappy.runtime.onnx_graph import build_graph, byte_product_graph

Ints = NDArray[np.int64]
Weights = Mapping[str, NDArray[Any]]


class OnnxRuntime:
    """Scores packed batches on the CPU. Threads may share one: a session keeps no state between runs."""

    def __init__(self, spec: EncoderSpec, weights: Weights, layout: str, precision: str, threads: int = 0) -> None:
        """Make a session; `threads` 0 takes one a core."""
        self.layout = layout
        tables = {name: weights[name] for name, _ in spec.embedding_tables.values()}
        half = all(table.dtype == np.float16 for table in tables.values())
        graph, shapes = build_graph(spec, layout, precision, half)
        others = {name: shape for name, shape in shapes.items() if name not in tables}
        arrays = _graph_arrays(others, weights, spec, weight_levels(byte_product(1)) if precision == "int8" else 0)
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


def _graph_arrays(
    shapes: Mapping[str, tuple[int, ...]], weights: Weights, spec: EncoderSpec, levels: int
) -> dict[str, NDArray[Any]]:
    """Derive the graph's weights of these names and shapes, layer by layer."""
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        layers.setdefault(name.rpartition(".")[0], {})[name] = shape
    with ThreadPoolExecutor() as pool:  # numpy computes outside the interpreter's lock
        found = pool.map(lambda stem: graph_weights(stem, layers[stem], weights, spec, levels), layers)
        return {name: array for part in found for name, array in part.items()}


def batch_inputs(batch: Batch) -> dict[str, NDArray[Any]]:
    """Return the graph's inputs for a batch, by name."""
    own_index, own_valid, own_inverse = spread(batch.segments.lengths)
    segments = np.arange(len(batch.segments.lengths), dtype=np.int64)
    feed: dict[str, NDArray[Any]] = _token_inputs("segment", batch.segments)
    feed |= {"own_index": own_index, "own_bias": masked(own_valid), "own_inverse": own_inverse}
    feed |= {"starts": own_index[:, 0].copy(), "segments": segments}
    if batch.prefixes is None:
        return feed
    feed |= _token_inputs("prefix", batch.prefixes)
    index, valid, inverse = spread(batch.prefixes.lengths)
    feed |= {"prefix_index": index, "prefix_bias": masked(valid), "prefix_inverse": inverse}
    feed |= _query_places("token", batch.row_lengths(), own_inverse)
    feed |= _query_places("first", batch.per_prefix, 2 * segments)  # every first token asks twice; see `onnx_graph`
    return feed


def place_inputs(batch: Batch, spec: EncoderSpec) -> dict[str, NDArray[Any]]:
    """Return what a graph is fed of positions: buckets, who is within reach, rotations; nothing that it does not want.

    Buckets and reach are [rows, queries, keys], rotations [tokens, head size].
    """
    feed = _between("own", *_within(batch.segments), spec) | _rotation_inputs("segment", batch.segments, spec)
    if batch.prefixes is None:
        return feed
    feed |= _between("prefix", *_within(batch.prefixes), spec) | _rotation_inputs("prefix", batch.prefixes, spec)
    if not (spec.relative_buckets or spec.local_layers):
        return feed
    keys = batch.prefixes.positions[spread(batch.prefixes.lengths)[0]]
    tokens = batch.segments.positions[spread(batch.row_lengths(), at_least=2)[0]]
    firsts = (batch.prefixes.positions[0] + batch.prefixes.lengths)[:, None]  # a prefix's candidates all begin there
    for name, queries in (("token", tokens), ("first", firsts)):
        for kind, found in _between(name, queries, keys, spec).items():
            # The key that stands for the candidate's own part has no position: its bias is 0, and it is always near.
            free = spec.relative_buckets if kind.endswith("_bucket") else 0
            feed[kind] = np.pad(found, ((0, 0), (0, 0), (0, 1)), constant_values=free)
    return feed


def _between(name: str, queries: Ints, keys: Ints, spec: EncoderSpec) -> dict[str, NDArray[Any]]:
    feed: dict[str, NDArray[Any]] = {}
    if spec.relative_buckets:
        feed[f"{name}_bucket"] = buckets_between(queries, keys, spec.relative_buckets)
    if spec.local_layers:
        feed[f"{name}_reach"] = masked(within_reach(queries, keys, spec.local_reach))
    return feed


def _within(tokens: Packed) -> tuple[Ints, Ints]:
    places = np.arange(int(tokens.lengths.max(initial=1)), dtype=np.int64)[None]
    return places, places


def _rotation_inputs(name: str, tokens: Packed, spec: EncoderSpec) -> dict[str, NDArray[Any]]:
    feed: dict[str, NDArray[Any]] = {}
    for base in spec.rotation_bases:
        cos, sin = rotations(tokens.positions, spec.head_size, base)
        feed |= {f"{name}_cos_{base:g}": cos, f"{name}_sin_{base:g}": sin}
    return feed


def _token_inputs(name: str, tokens: Packed) -> dict[str, NDArray[Any]]:
    return {f"{name}_word": tokens.ids, f"{name}_position": tokens.positions, f"{name}_token_type": tokens.types}


def _query_places(name: str, row_lengths: NDArray[np.int64], own_inverse: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Index packed queries behind their prefixes, and lead from there to their places in the segments."""
    # A row of one would take another multiplication routine than a row of two, and round otherwise.
    row, _, row_inverse = spread(row_lengths, at_least=2)
    return {
        f"{name}_row": row,
        f"{name}_row_inverse": row_inverse,
        f"{name}_own_of_row": own_inverse[row],
    }


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


def graph_weights(
    stem: str, shapes: Mapping[str, tuple[int, ...]], weights: Weights, spec: EncoderSpec, levels: int
) -> dict[str, NDArray[Any]]:
    """Derive what the graph wants of one layer, `shapes` by full name: cast, queries scaled, rounded to `levels` steps.

    A matrix that is rounded is read once for its integers and its scales.
    """
    derived: dict[str, NDArray[Any]] = {}
    if f"{stem}.int8" in shapes:
        rows = shapes[f"{stem}.scale"][0]
        integers, scale = quantise(_scaled(stem, "weight", rows, weights, spec), levels)
        derived = {f"{stem}.int8": integers, f"{stem}.scale": scale}
    for name in shapes.keys() - derived.keys():
        leaf = name.rpartition(".")[2]
        derived[name] = np.ascontiguousarray(_scaled(stem, leaf, shapes[name][0], weights, spec))
    return derived


def _scaled(stem: str, leaf: str, rows: int, weights: Weights, spec: EncoderSpec) -> NDArray[np.float32]:
    """Return a weight in float32, that of queries scaled; of one that holds several maps, its part of `rows` rows."""
    whole, _, part = stem.partition("#")
    exact = weights[f"{whole}.{leaf}"].astype(np.float32)
    if part:
        exact = exact[int(part) * rows : (int(part) + 1) * rows]
    return exact / np.float32(np.sqrt(spec.head_size)) if stem.endswith(spec.names.query) else exact


def quantise(weight: NDArray[Any], levels: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a weight [out, in] to integers in [-levels, levels] with one symmetric scale a channel.

    Returns the transposed integers [in, out] and the scales [out].
    """
    scale = np.maximum(np.maximum(weight.max(axis=1), -weight.min(axis=1)), 1e-12) / levels
    steps = weight / scale[:, None]
    return np.ascontiguousarray(np.rint(steps, out=steps).astype(np.int8).T), scale.astype(np.float32)
