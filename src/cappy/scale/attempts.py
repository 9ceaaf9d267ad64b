"""Counting unfinished attempts per item, to tell an item that kills workers from a lost node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cappy.scale.cluster import beside_driver, import_ray

Key = tuple[int, ...]


class _Counts:
    """The counts of a job, kept by an actor: a `begin` without an `end` is a worker that died."""

    def __init__(self) -> None:
        self._begun: Counter[Key] = Counter()

    def begin(self, key: Key) -> int:
        """Return the number of earlier unfinished attempts at the item, and count this one."""
        self._begun[key] += 1
        return self._begun[key] - 1

    def end(self, key: Key) -> None:
        """Forget a finished item."""
        self._begun.pop(key, None)


@dataclass(frozen=True, slots=True)
class Trial:
    """The count of one item."""

    actor: Any
    key: Key

    def begin(self) -> int:
        """Return the number of earlier unfinished attempts, and count this one."""
        before: int = import_ray().get(self.actor.begin.remote(self.key))
        return before

    def end(self) -> None:
        """Mark the item as finished."""
        self.actor.end.remote(self.key)

    def part(self, number: int) -> Trial:
        """Return the count of a part of the item."""
        return replace(self, key=(*self.key, -1, number))


@dataclass(frozen=True, slots=True)
class Attempts:
    """The counts of a stage's items."""

    actor: Any
    level: int = 0

    def at(self, level: int) -> Attempts:
        """Return the counts of the stage with this number."""
        return replace(self, level=level)

    def of(self, number: Key) -> Trial:
        """Return the count of an item."""
        return Trial(self.actor, (self.level, *number))


@contextmanager
def counting() -> Iterator[Attempts]:
    """Yield counts kept on the driver's node for the duration of the block."""
    actor = beside_driver(_Counts)
    try:
        yield Attempts(actor)
    finally:
        import_ray().kill(actor)
