"""The batches of an epoch, in an order fixed by the seed.

A hundred million groups must fit, so group numbers are kept in flat arrays of four bytes each.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cappy.layout.batches import token_batches
from cappy.training.batches import TrainingGroup
from cappy.training.sizes import Integers, Sizes
from cappy.training.tokens import TokenGroups

POOL = 4000
"""Shuffled groups that are sorted by length together: enough to fill batches of similar length."""
BLOCK = 2**16
"""Groups whose candidates are counted together."""


class Batches(Sequence[list[int]]):
    """Batches as lists of group numbers."""

    def __init__(self, members: NDArray[np.int32], ends: NDArray[np.int64], order: NDArray[np.int32]) -> None:
        """Keep batches [batches]: batch n is `members` up to `ends[n]`; `order` is the order of the batches."""
        self._members, self._ends, self._order = members, ends, order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, number: int) -> list[int]: ...
    @overload
    def __getitem__(self, number: slice) -> Batches: ...
    def __getitem__(self, number: int | slice) -> list[int] | Batches:
        """Return one batch, or a part of the batches."""
        if isinstance(number, slice):
            return Batches(self._members, self._ends, self._order[number])
        batch = int(self._order[number])
        start = int(self._ends[batch - 1]) if batch else 0
        found: list[int] = self._members[start : int(self._ends[batch])].tolist()
        return found


def epoch_batches(groups: Sequence[TrainingGroup], budget: int, seed: int, epoch: int) -> Batches:
    """Return the batches of an epoch under a budget of tokens, determined by seed and epoch.

    A batch holds groups of one layout and similar length.
    """
    sizes, draw = _sizes(groups), random.Random(f"{seed}:{epoch}")
    order = _shuffled(len(groups), draw)
    members, ends = np.empty_like(order), array("q")
    for start in range(0, len(order), POOL):
        mixed = order[start : start + POOL]
        for pool in _by_layout(mixed, sizes):
            for batch in token_batches(sizes.take(pool), budget):
                end = (ends[-1] if ends else 0) + len(batch)
                members[end - len(batch) : end] = pool[batch]
                ends.append(end)
    return Batches(members, np.array(ends, dtype=np.int64), _shuffled(len(ends), draw))


def pair_batches(groups: Sequence[TrainingGroup], pairs: int, seed: int, epoch: int) -> Batches:
    """Return the batches of an epoch, each of `pairs` candidates or slightly more, determined by seed and epoch.

    A batch holds groups of one layout and of any length.
    """
    sizes, draw = _sizes(groups), random.Random(f"{seed}:{epoch}")
    parts = _by_layout(_shuffled(len(groups), draw), sizes)
    ends, before = array("q"), 0
    for part in parts:
        ends.extend(before + end for end in _filled(part, sizes.segments, pairs))
        before += len(part)
    members = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Batches(members, np.array(ends, dtype=np.int64), _shuffled(len(ends), draw))


def _sizes(groups: Sequence[TrainingGroup]) -> Sizes:
    return groups.sizes if isinstance(groups, TokenGroups) else Sizes.of(groups)


def _shuffled(count: int, draw: random.Random) -> NDArray[np.int32]:
    order = array("i", range(count))
    draw.shuffle(order)
    return np.asarray(order, dtype=np.int32)


def _by_layout(order: NDArray[np.int32], sizes: Sizes) -> list[NDArray[np.int32]]:
    """Split group numbers into those of the shared and those of the joint layout."""
    shared = sizes.prefix[order] > 0
    if shared.all() or not shared.any():
        return [order]
    return [order[shared], order[~shared]]


def _filled(numbers: NDArray[np.int32], candidates: Integers, pairs: int) -> Iterator[int]:
    """Yield the ends of batches of `numbers` that are full with `pairs` candidates, and the end of the last one.

    `candidates` [groups] are those of every group; few of them are looked up at a time.
    """
    held = 0
    for start in range(0, len(numbers), BLOCK):
        total = held + np.cumsum(candidates[numbers[start : start + BLOCK]], dtype=np.int64)
        full = pairs
        while (place := int(np.searchsorted(total, full))) < len(total):
            yield start + place + 1
            full = int(total[place]) + pairs
        held = int(total[-1]) - (full - pairs)
    if held:
        yield len(numbers)
