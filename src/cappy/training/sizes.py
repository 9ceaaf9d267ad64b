"""The sizes of many groups as arrays, from which batches are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.layout.batches import Size
from cappy.training.batches import TrainingGroup

Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The fields of `Size` for many groups, each [groups]. Instructions of joint groups have no tokens of their own."""

    prefix: Integers
    segments: Integers
    longest: Integers
    row: Integers

    @classmethod
    def of(cls, groups: Sequence[TrainingGroup]) -> Sizes:
        """Measure groups in memory."""
        sizes = [Size.of(group.encoded) for group in groups]
        columns = ([getattr(size, name) for size in sizes] for name in ("prefix", "segments", "longest", "row"))
        return cls(*(np.array(column, dtype=np.int32) for column in columns))

    def take(self, numbers: Integers) -> list[Size]:
        """Return the sizes of some groups."""
        columns = (column[numbers].tolist() for column in (self.prefix, self.segments, self.longest, self.row))
        return [Size(*values) for values in zip(*columns, strict=True)]
