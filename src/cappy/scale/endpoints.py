"""Balancing requests over several servers of one model: fast ones get more, unreachable ones none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cappy.scale.cluster import beside_driver, import_ray

REST = 30.0
"""Seconds during which a failed endpoint is used only if all others failed too."""


class _Loads:
    """The current load of every endpoint, kept by an actor for all samplers."""

    def __init__(self, count: int) -> None:
        self._asked = [0] * count
        self._resting = [0.0] * count

    def take(self) -> int:
        """Return the least loaded endpoint without a recent failure, and count the request."""
        now = time.monotonic()
        tired = [max(0.0, until - now) for until in self._resting]
        number = min(range(len(tired)), key=lambda one: (tired[one], self._asked[one]))
        self._asked[number] += 1
        return number

    def give(self, number: int, failed: bool) -> None:
        """Count a request as finished; mark the endpoint if it failed."""
        self._asked[number] -= 1
        if failed:
            self._resting[number] = time.monotonic() + REST


@dataclass(slots=True)
class Place:
    """A request to an endpoint; the caller reports whether it failed."""

    number: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a job, as its samplers see them."""

    actor: Any

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Reserve an endpoint during the block."""
        place = Place(import_ray().get(self.actor.take.remote()))
        try:
            yield place
        finally:
            self.actor.give.remote(place.number, place.failed)


@contextmanager
def shared_endpoints(count: int) -> Iterator[Endpoints]:
    """Yield `count` endpoints, numbered from 0, for the samplers of a job during the block."""
    actor = beside_driver(_Loads, count)
    try:
        yield Endpoints(actor)
    finally:
        import_ray().kill(actor)
