"""Percentile bootstrap intervals (Efron, 1979): how much a metric would vary on other rows of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval at `LEVEL`."""

    low: float
    high: float


def interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the percentile interval of resampled values [samples]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def resampled_means(table: NDArray[np.float64], seed: int, name: str, samples: int = SAMPLES) -> NDArray[np.float64]:
    """Return the mean of each column over resampled rows: [samples, columns].

    `table`: [rows, columns], a column per template, NaN where a template skips a row. Rows are drawn with replacement,
    with all columns of a row together. `seed` and `name` determine the draw: every system gets the same rows, so that
    systems can be compared in pairs.
    """
    rows = len(table)
    draw = np.random.default_rng([seed, *name.encode()])
    known = ~np.isnan(table)
    filled = np.where(known, table, 0.0)
    means = np.empty((samples, table.shape[1]))
    for start, counts in _counts(draw, rows, samples):
        weighed = counts @ filled
        # A draw may miss all rows of a template that has very few; its mean over all rows is used then.
        total = counts @ known
        means[start : start + len(counts)] = np.where(
            total > 0, weighed / np.maximum(total, 1), filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        )
    return means


def _counts(draw: np.random.Generator, rows: int, samples: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield (first sample, counts of each row [block, rows]), in blocks that bound the memory."""
    block = max(1, 2_000_000 // max(rows, 1))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = draw.integers(0, rows, (size, rows))
        flat = (drawn + rows * np.arange(size)[:, None]).ravel()
        yield start, np.bincount(flat, minlength=size * rows).reshape(size, rows).astype(np.float64)


def average_interval(tasks: Sequence[NDArray[np.float64]], level: float = LEVEL) -> Interval:
    """Return the interval of the average over independent tasks, given each task's resampled means [samples]."""
    return interval(np.mean(tasks, axis=0), level)
