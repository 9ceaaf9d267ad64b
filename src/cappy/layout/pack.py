"""From encoded groups to a runtime's arrays.

Tokens are *packed*: concatenated without padding. Index arrays spread them out only where attention needs rows of equal
length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.layout.encode import Conventions, EncodedGroup

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MASKED = np.float32(-1e9)
"""What is added to the logits of keys that do not count."""
Fit = Callable[[int], int]
"""Maps a size to the one that arrays get."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Concatenated sequences. `ids`, `positions`, `types`: [tokens]; `lengths`: [sequences]."""

    ids: Ints
    positions: Ints
    types: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch for a runtime.

    `segments` are the sequences whose first token is scored, `prefixes` their instructions (None in the joint layout),
    and `per_prefix` [prefixes] the number of segments of each.
    """

    segments: Packed
    prefixes: Packed | None
    per_prefix: Ints

    @property
    def tokens(self) -> int:
        """Number of packed tokens in the batch."""
        return len(self.segments.ids) + (0 if self.prefixes is None else len(self.prefixes.ids))

    def row_lengths(self) -> Ints:
        """Count the candidate tokens of each prefix: [prefixes]."""
        ends = np.cumsum(self.per_prefix)
        total = np.concatenate([[0], np.cumsum(self.segments.lengths)])
        lengths: Ints = total[ends] - total[ends - self.per_prefix]
        return lengths


def exactly(size: int) -> int:
    """Leave a size as it is."""
    return size


def few_sizes(size: int, least: int = 1) -> int:
    """Round a size up to a multiple of `least`, and to one of at most eight sizes between a number and its double."""
    step = max(least, 1 << max(0, (size - 1).bit_length() - 4))
    return -(-size // step) * step


def spread(lengths: Ints, at_least: int = 1, fit: Fit = exactly) -> tuple[Ints, Bools, Ints]:
    """Return the indices that pad packed tokens to rows of width `at_least` or more, and back; `fit` widens the rows.

    For `lengths` [rows] returns `index` [rows, longest] into the packed tokens (padding points to token 0), `valid`
    [rows, longest], and `inverse` [tokens], the place of each packed token in the flattened rows.
    """
    longest = fit(int(lengths.max(initial=at_least)))
    columns = np.arange(longest, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    valid = columns[None, :] < lengths[:, None]
    index = np.where(valid, starts[:, None] + columns[None, :], 0)
    return index, valid, np.flatnonzero(valid).astype(np.int64)


def pack(groups: Sequence[EncodedGroup], conventions: Conventions) -> Batch:
    """Concatenate the groups of one batch."""
    shared = conventions.layout == "shared"
    segments = [segment for group in groups for segment in group.segments]
    boundaries = np.array([b for group in groups for b in group.boundaries], dtype=np.int64)
    per_prefix = np.array([len(group.segments) for group in groups], dtype=np.int64)
    prefix_lengths = np.array([len(group.prefix) for group in groups], dtype=np.int64)
    packed = _pack(segments, np.repeat(prefix_lengths, per_prefix), boundaries, conventions)
    if not shared:
        return Batch(packed, None, per_prefix)
    zeros = np.zeros(len(groups), dtype=np.int64)
    prefixes = _pack([group.prefix for group in groups], zeros, prefix_lengths, conventions)
    return Batch(packed, prefixes, per_prefix)


def _pack(sequences: Sequence[Sequence[int]], before: Ints, boundaries: Ints, conventions: Conventions) -> Packed:
    """Pack `sequences`; each follows `before` tokens and has token type 1 from its boundary on."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    total = int(lengths.sum())
    ids = np.fromiter((i for sequence in sequences for i in sequence), dtype=np.int64, count=total)
    within = np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions = within + np.repeat(before, lengths) + conventions.position_offset
    if conventions.token_types:
        types = (within >= np.repeat(boundaries, lengths)).astype(np.int64)
    else:
        types = np.zeros(total, dtype=np.int64)
    return Packed(ids, positions, types, lengths)


def masked(valid: Bools) -> NDArray[Any]:
    """Convert a validity mask to an additive attention bias of the same shape: 0 or a large negative number."""
    return np.where(valid, np.float32(0), MASKED)
