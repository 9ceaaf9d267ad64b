"""Training steps prepared on the CPU: packed parts with labels, made in this process or ahead of time in workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.layout.batches import Size
from cappy.layout.encode import Conventions
from cappy.layout.pack import Batch
from cappy.layout.rows import TokenRows, lay_in_rows
from cappy.training.batches import TrainingGroup, pack_training
from cappy.training.losses import Totals
from cappy.training.shares import split_batch

ROW = 512
"""Tokens per row: the length of the longest pair under the default limits."""
ROWS = 8
"""The number of rows is a multiple of this, so that a compiled model sees few shapes."""


@dataclass(frozen=True, slots=True)
class Part:
    """Groups computed together.

    `labels`, `numbers`: [candidates], from `pack_training`; `graded`: [groups], None if the loss does not distinguish
    graded groups. A part without `count` adds nothing to the loss: it only keeps this process in step with the others,
    which gather sharded weights.
    """

    batch: Batch | TokenRows
    labels: NDArray[np.float32]
    numbers: NDArray[np.int64]
    graded: NDArray[np.bool_] | None
    groups: int
    tokens: int
    count: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One process's parts of a batch, and the totals of the whole batch."""

    parts: tuple[Part, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Preparing:
    """How steps are made: split among `world` processes (this one is `rank`) into parts of `micro_tokens` tokens.

    `rows`: lay groups in rows. `graded`: the loss treats graded groups separately.
    """

    conventions: Conventions
    graded: bool
    rows: bool
    world: int = 1
    rank: int = 0
    micro_tokens: int | None = None

    def step(self, groups: Sequence[TrainingGroup]) -> Step:
        """Make one step from the groups of a batch."""
        sizes = [Size.of(group.encoded) for group in groups]
        parts = split_batch(sizes, self.world, self.micro_tokens)[self.rank]
        degrees = [group.graded for group in groups] if self.graded else None
        totals = Totals.of([group.labels for group in groups], degrees)
        return Step(tuple(self._part([groups[i] for i in part or (0,)], bool(part)) for part in parts), totals)

    def _part(self, groups: Sequence[TrainingGroup], count: bool) -> Part:
        batch, labels, numbers = pack_training(groups, self.conventions)
        graded = np.array([group.graded for group in groups]) if self.graded else None
        laid = lay_in_rows(batch, ROW, ROWS) if self.rows else batch
        return Part(laid, labels, numbers, graded, len(groups), batch.tokens if count else 0, count)


class _Steps:
    """The steps of an epoch, indexed by number, as a data set for worker processes."""

    def __init__(self, groups: Sequence[TrainingGroup], batches: Sequence[Sequence[int]], preparing: Preparing) -> None:
        self._groups, self._batches, self._preparing = groups, batches, preparing

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> Step:
        return self._preparing.step([self._groups[index] for index in self._batches[number]])


def endless_steps(
    groups: Sequence[TrainingGroup],
    batches: Callable[[int], Sequence[Sequence[int]]],
    preparing: Preparing,
    epoch: int,
    skip: int,
    workers: int = 0,
) -> Iterator[tuple[int, int, Step]]:
    """Yield (epoch, next batch number, step) endlessly, starting at batch `skip` of `epoch`.

    `batches` maps an epoch to its batches of group numbers. `workers` processes make steps ahead of time, in the same
    order.
    """
    while True:
        chosen = batches(epoch)[skip:]
        for number, step in enumerate(_made(_Steps(groups, chosen, preparing), workers), skip + 1):
            yield epoch, number, step
        epoch, skip = epoch + 1, 0


def _made(steps: _Steps, workers: int) -> Iterator[Step]:
    if not workers:
        yield from (steps[number] for number in range(len(steps)))
        return
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(steps, batch_size=None, num_workers=workers, prefetch_factor=4)  # type: ignore[arg-type]
    yield from loader
