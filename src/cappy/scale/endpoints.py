"""Several servers of one model: who asks which, so that fast ones get more and those that are gone get none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cappy.scale.cluster import beside_driver, import_ray

REST = 30.0
"""Seconds for which an endpoint that failed is asked only if all others failed too."""


class _Loads:
    """What every endpoint is asked at the moment, kept by an actor for all samplers."""

    def __init__(self, count: int) -> None:
        self._asked = [0] * count
        self._resting = [0.0] * count

    def take(self) -> int:
        """Return the endpoint with least to do of those that have not failed of late, and count it."""
        now = time.monotonic()
        tired = [max(0.0, until - now) for until in self._resting]
        number = min(range(len(tired)), key=lambda one: (tired[one], self._asked[one]))
        self._asked[number] += 1
        return number

    def give(self, number: int, failed: bool) -> None:
        """Count an endpoint back; let one that failed rest."""
        self._asked[number] -= 1
        if failed:
            self._resting[number] = time.monotonic() + REST


@dataclass(slots=True)
class Place:
    """An endpoint that is being asked; whoever asks says whether it failed."""

    number: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of a job as its samplers see them."""

    actor: Any

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Hold a place at an endpoint while the block runs."""
        place = Place(import_ray().get(self.actor.take.remote()))
        try:
            yield place
        finally:
            self.actor.give.remote(place.number, place.failed)


@contextmanager
def shared_endpoints(count: int) -> Iterator[Endpoints]:
    """Give `count` endpoints, numbered from 0, to the samplers of a job, as long as the block runs."""
    actor = beside_driver(_Loads, count)
    try:
        yield Endpoints(actor)
    finally:
        import_ray().kill(actor)
