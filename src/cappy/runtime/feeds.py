"""Inputs of an encoder's graph for one batch: token ids, indices for padding and unpadding, positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.encoders.places import buckets_between, rotations, within_reach
from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import MASKED, Batch, Fit, Packed, exactly, masked, spread

Ints = NDArray[np.int64]


def batch_inputs(batch: Batch, fit: Fit = exactly) -> dict[str, NDArray[Any]]:
    """Return the graph's inputs for a batch, by name; `fit` widens padded rows."""
    own_index, own_valid, own_inverse = spread(batch.segments.lengths, fit=fit)
    segments = np.arange(len(batch.segments.lengths), dtype=np.int64)
    feed: dict[str, NDArray[Any]] = _token_inputs("segment", batch.segments)
    feed |= {"own_index": own_index, "own_bias": masked(own_valid), "own_inverse": own_inverse}
    feed |= {"starts": own_index[:, 0].copy(), "segments": segments}
    if batch.prefixes is None:
        return feed
    feed |= _token_inputs("prefix", batch.prefixes)
    index, valid, inverse = spread(batch.prefixes.lengths, fit=fit)
    feed |= {"prefix_index": index, "prefix_bias": masked(valid), "prefix_inverse": inverse}
    feed |= _query_places("token", batch.row_lengths(), own_inverse, fit)
    feed |= _query_places("first", batch.per_prefix, 2 * segments, fit)  # queried twice: see `onnx_graph`
    return feed


def remembering_inputs(
    batch: Batch, known: Sequence[NDArray[np.float32] | None], spec: EncoderSpec, fit: Fit = exactly
) -> tuple[dict[str, NDArray[Any]], Ints]:
    """Return the inputs of the remembering graph, and the lengths of the instructions that it will encode.

    `known` has the keys and values of each of the batch's instructions, None if they must be computed. A graph takes no
    empty input, so if nothing or everything is known, one unused token fills the gap.
    """
    assert batch.prefixes is not None  # the shared layout has instructions
    lengths, unknown = batch.prefixes.lengths, np.array([one is None for one in known])
    given = [one for one in known if one is not None] or [_nothing(spec)]
    fresh = _only(batch.prefixes, unknown if unknown.any() else None)
    context = np.concatenate(given)
    context = np.pad(context, ((0, fit(len(context)) - len(context)), (0, 0)))
    starts = np.empty(len(lengths), dtype=np.int64)
    starts[~unknown] = np.cumsum(lengths[~unknown]) - lengths[~unknown]
    starts[unknown] = len(context) + np.cumsum(lengths[unknown]) - lengths[unknown]
    _, valid, _ = spread(lengths, fit=fit)
    index = np.where(valid, starts[:, None] + np.arange(valid.shape[1]), 0)
    fresh_index, fresh_valid, fresh_inverse = spread(fresh.lengths, fit=fit)
    feed = batch_inputs(batch, fit) | place_inputs(batch, spec, fit) | _token_inputs("fresh", fresh)
    feed |= _between("fresh", *_within(fresh, fit), spec) | _rotation_inputs("fresh", fresh, spec)
    feed |= {"fresh_index": fresh_index, "fresh_bias": masked(fresh_valid), "fresh_inverse": fresh_inverse}
    feed |= {"context": context, "prefix_index": index}
    return feed, lengths[unknown]


def _nothing(spec: EncoderSpec) -> NDArray[np.float32]:
    return np.zeros((1, 2 * spec.layers * spec.hidden), dtype=np.float32)


def _only(sequences: Packed, chosen: NDArray[np.bool_] | None) -> Packed:
    """Keep the chosen sequences, or only the first token if none is chosen."""
    if chosen is None:
        return Packed(sequences.ids[:1], sequences.positions[:1], sequences.types[:1], np.ones(1, dtype=np.int64))
    tokens = np.repeat(chosen, sequences.lengths)
    return Packed(
        sequences.ids[tokens], sequences.positions[tokens], sequences.types[tokens], sequences.lengths[chosen]
    )


def place_inputs(batch: Batch, spec: EncoderSpec, fit: Fit = exactly) -> dict[str, NDArray[Any]]:
    """Return the graph's position inputs: buckets, masks of local attention, rotations; only those the family needs.

    Buckets and masks are [rows, queries, keys], rotations [tokens, head size].
    """
    feed = _between("own", *_within(batch.segments, fit), spec) | _rotation_inputs("segment", batch.segments, spec)
    if batch.prefixes is None:
        return feed
    feed |= _between("prefix", *_within(batch.prefixes, fit), spec) | _rotation_inputs("prefix", batch.prefixes, spec)
    if not (spec.relative_buckets or spec.local_layers):
        return feed
    keys = batch.prefixes.positions[spread(batch.prefixes.lengths, fit=fit)[0]]
    tokens = batch.segments.positions[spread(batch.row_lengths(), 2, fit)[0]]
    firsts = (batch.prefixes.positions[0] + batch.prefixes.lengths)[:, None]  # where a prefix's candidates begin
    for name, queries in (("token", tokens), ("first", firsts)):
        for kind, found in _between(name, queries, keys, spec).items():
            # The keys for the candidate's own part have no position: their bias is 0, and they are always in reach.
            free = spec.relative_buckets if kind.endswith("_bucket") else 0
            feed[kind] = np.pad(found, ((0, 0), (0, 0), (fit(1), 0)), constant_values=free)
    return feed


def _between(name: str, queries: Ints, keys: Ints, spec: EncoderSpec) -> dict[str, NDArray[Any]]:
    feed: dict[str, NDArray[Any]] = {}
    if spec.relative_buckets:
        feed[f"{name}_bucket"] = buckets_between(queries, keys, spec.relative_buckets)
    if spec.local_layers:
        feed[f"{name}_reach"] = masked(within_reach(queries, keys, spec.local_reach))
    return feed


def _within(tokens: Packed, fit: Fit) -> tuple[Ints, Ints]:
    places = np.arange(fit(int(tokens.lengths.max(initial=1))), dtype=np.int64)[None]
    return places, places


def _rotation_inputs(name: str, tokens: Packed, spec: EncoderSpec) -> dict[str, NDArray[Any]]:
    feed: dict[str, NDArray[Any]] = {}
    for base in spec.rotation_bases:
        cos, sin = rotations(tokens.positions, spec.head_size, base)
        feed |= {f"{name}_cos_{base:g}": cos, f"{name}_sin_{base:g}": sin}
    return feed


def _token_inputs(name: str, tokens: Packed) -> dict[str, NDArray[Any]]:
    return {f"{name}_word": tokens.ids, f"{name}_position": tokens.positions, f"{name}_token_type": tokens.types}


def _query_places(name: str, row_lengths: Ints, own_inverse: Ints, fit: Fit) -> dict[str, NDArray[Any]]:
    """Index packed queries by prefix, and map these places to those in the segments."""
    # A row of one would use another multiplication routine than a row of two, and round differently.
    row, _, row_inverse = spread(row_lengths, 2, fit)
    return {
        f"{name}_row": row,
        f"{name}_row_inverse": row_inverse,
        f"{name}_own_of_row": own_inverse[row],
    }


def filled(feed: Mapping[str, NDArray[Any]], fit: Fit) -> dict[str, NDArray[Any]]:
    """Grow the first dimension of a feed's arrays to what `fit` gives; one is left alone, because it is broadcast.

    What is added are tokens 0 that belong to nothing, and rows that nothing reads, with all keys masked.
    """
    found = {}
    for name, array in feed.items():
        more = fit(len(array)) - len(array) if len(array) > 1 else 0
        around = [(0, more), *[(0, 0)] * (array.ndim - 1)]
        found[name] = np.pad(array, around, constant_values=MASKED if name.endswith("_bias") else 0) if more else array
    return found
