"""Measure few-shot classifiers: accuracy over sets, sizes and seeds, and the time of a fit from texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.evaluation.fewshot.sets import LabelledSet
from cappy.evaluation.fewshot.systems import FewShot


@dataclass(frozen=True, slots=True)
class Measured:
    """Accuracies in [0, 1] of a system on a set: [sizes, seeds].

    `seconds` [sizes]: the time of a fit from texts; empty if not timed.
    """

    system: str
    rows: str
    accuracy: NDArray[np.float64]
    seconds: tuple[float, ...]


def measure(
    rows: LabelledSet,
    systems: Iterable[FewShot],
    sizes: Sequence[int],
    seeds: int,
    tell: Callable[[str], None] = lambda _: None,
    times: bool = True,
) -> list[Measured]:
    """Measure systems on a set, all with the same training and test texts; `times`: also time a fit."""
    judged = np.arange(rows.train, len(rows.texts))
    found = []
    for system in systems:
        tell(f"{rows.name}: {system.name}")
        predict = system.prepare(rows)
        accuracy = np.empty((len(sizes), seeds))
        for number, size in enumerate(sizes):
            for seed in range(seeds):
                told = predict(rows.draw(size, seed), judged)
                accuracy[number, seed] = (told == rows.targets[judged]).mean()
        seconds = tuple(_seconds(system, rows, size) for size in sizes) if times else ()
        found.append(Measured(system.name, rows.name, accuracy, seconds))
    return found


def _seconds(system: FewShot, rows: LabelledSet, size: int) -> float:
    """Return the seconds from `size` texts per class to a classifier's first prediction."""
    places = rows.draw(size, 0)
    part = LabelledSet(
        rows.name,
        tuple(rows.texts[place] for place in places),
        rows.targets[places],
        len(places),
        rows.choices,
        rows.instruction,
    )
    begun = time.monotonic()
    system.prepare(part)(np.arange(len(places)), np.arange(1))
    return time.monotonic() - begun
