"""Drawing from a stream of unknown length, in one pass."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Keeps `size` of all items added, each with equal probability (Vitter, 1985, algorithm R)."""

    def __init__(self, size: int, seed: int | str) -> None:
        """Start empty; the same items and seed give the same draw."""
        self._size, self._draw = size, random.Random(seed)
        self._seen = 0
        self._kept: list[tuple[int, T]] = []

    def add(self, item: T) -> None:
        """Keep or skip the next item of the stream."""
        if len(self._kept) < self._size:
            self._kept.append((self._seen, item))
        elif (place := self._draw.randrange(self._seen + 1)) < self._size:
            self._kept[place] = self._seen, item
        self._seen += 1

    def items(self) -> list[T]:
        """Return the kept items in stream order."""
        return [item for _, item in sorted(self._kept, key=lambda pair: pair[0])]


def draw_from(stream: Iterable[T], size: int, seed: int | str) -> list[T]:
    """Draw `size` items, or all if there are fewer, from a stream, in stream order."""
    reservoir: Reservoir[T] = Reservoir(size, seed)
    for item in stream:
        reservoir.add(item)
    return reservoir.items()
