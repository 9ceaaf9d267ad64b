"""How far figures would move on other rows of the same kind: percentile bootstrap intervals (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a figure at `LEVEL`."""

    low: float
    high: float


def interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the percentile interval of resampled figures [samples]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def resampled_means(table: NDArray[np.float64], seed: int, name: str, samples: int = SAMPLES) -> NDArray[np.float64]:
    """Return means of resampled rows, one for each column [samples, columns].

    `table` is [rows, columns], a column a template; a row that a template passes over is NaN there. Rows are drawn
    with replacement, all columns of a row together, since templates ask about the same rows. `seed` and `name` decide
    the draw: the same rows are drawn for every system, so that differences of systems can be read off.
    """
    rows = len(table)
    draw = np.random.default_rng([seed, *name.encode()])
    known = ~np.isnan(table)
    filled = np.where(known, table, 0.0)
    means = np.empty((samples, table.shape[1]))
    for start, counts in _counts(draw, rows, samples):
        weighed = counts @ filled
        # A template of very few rows may miss them all in a draw: then its figure is that of all its rows.
        total = counts @ known
        means[start : start + len(counts)] = np.where(
            total > 0, weighed / np.maximum(total, 1), filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        )
    return means


def _counts(draw: np.random.Generator, rows: int, samples: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield how often each row is drawn [some samples, rows], a block at a time so that memory stays small."""
    block = max(1, 2_000_000 // max(rows, 1))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = draw.integers(0, rows, (size, rows))
        flat = (drawn + rows * np.arange(size)[:, None]).ravel()
        yield start, np.bincount(flat, minlength=size * rows).reshape(size, rows).astype(np.float64)


def average_interval(tasks: Sequence[NDArray[np.float64]], level: float = LEVEL) -> Interval:
    """Return the interval of the average over independent tasks, from each one's resampled means [samples]."""
    return interval(np.mean(tasks, axis=0), level)
