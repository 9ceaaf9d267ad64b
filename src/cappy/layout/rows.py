"""Packed batches arranged in rows of one length, several groups per row: the few fixed shapes that suit GPUs.

Each token has a group and a segment. It attends to its group's instruction and its own segment, which is the mask of
the shared layout; instruction tokens attend only to the instruction. In the joint layout each pair is a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.layout.pack import Batch, Packed

Ints = NDArray[np.int64]
PADDING = -1
"""The group of padding."""


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Tokens in rows.

    `ids`, `positions`, `types`, `groups`, `segments`: [rows, length]. Segment 0 is the instruction; candidates count
    from 1 within their group. `starts` [candidates] are the places of the scored tokens in the flattened rows.
    """

    ids: Ints
    positions: Ints
    types: Ints
    groups: Ints
    segments: Ints
    starts: Ints


def lay_in_rows(batch: Batch, length: int = 512, multiple: int = 1) -> TokenRows:
    """Arrange a batch's groups in rows of `length` tokens (more for a longer group), in a `multiple` of rows.

    Long groups are placed first, each in the first row with room (first-fit decreasing).
    """
    sizes = _group_sizes(batch)
    length = max(length, -(-int(sizes.max(initial=1)) // 64) * 64)
    row, column = _first_fit(sizes, length)
    count = -(-(int(row.max(initial=0)) + 1) // multiple) * multiple
    flat = {name: np.zeros(count * length, dtype=np.int64) for name in ("ids", "positions", "types", "segments")}
    groups = np.full(count * length, PADDING, dtype=np.int64)
    begins = row * length + column
    prefix_lengths = np.zeros(len(sizes), dtype=np.int64) if batch.prefixes is None else batch.prefixes.lengths
    owner = np.repeat(np.arange(len(sizes)), batch.per_prefix if batch.prefixes is not None else 1)
    before = np.cumsum(batch.segments.lengths) - batch.segments.lengths
    first_of_group = before[np.cumsum(np.bincount(owner, minlength=len(sizes))) - np.bincount(owner)]
    starts = begins[owner] + prefix_lengths[owner] + before - first_of_group[owner]
    numbers = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    _scatter(flat, groups, batch.segments, starts, owner, numbers)
    if batch.prefixes is not None:
        _scatter(flat, groups, batch.prefixes, begins, np.arange(len(sizes)), np.zeros(len(sizes), dtype=np.int64))
    shaped = {name: array.reshape(count, length) for name, array in flat.items()}
    return TokenRows(groups=groups.reshape(count, length), starts=starts, **shaped)


def _group_sizes(batch: Batch) -> Ints:
    """Return the tokens of each group; a joint pair is a group."""
    if batch.prefixes is None:
        return batch.segments.lengths
    sizes: Ints = batch.prefixes.lengths + batch.row_lengths()
    return sizes


def _first_fit(sizes: Ints, length: int) -> tuple[Ints, Ints]:
    """Return the row and the first column of each group."""
    row, column = np.zeros(len(sizes), dtype=np.int64), np.zeros(len(sizes), dtype=np.int64)
    used = np.zeros(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        place = int(np.argmax(used + sizes[group] <= length))
        row[group], column[group] = place, used[place]
        used[place] += sizes[group]
    return row, column


def _scatter(flat: dict[str, Ints], groups: Ints, tokens: Packed, begins: Ints, owners: Ints, numbers: Ints) -> None:
    """Copy packed sequences to their places."""
    within = np.arange(len(tokens.ids)) - np.repeat(np.cumsum(tokens.lengths) - tokens.lengths, tokens.lengths)
    places = np.repeat(begins, tokens.lengths) + within
    flat["ids"][places], flat["positions"][places], flat["types"][places] = tokens.ids, tokens.positions, tokens.types
    flat["segments"][places] = np.repeat(numbers, tokens.lengths)
    groups[places] = np.repeat(owners, tokens.lengths)
