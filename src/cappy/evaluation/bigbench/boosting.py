"""Compare selectors on saved samples by the Rouge-L of what each chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError
from cappy.metrics.bootstrap import Interval, average_interval, interval, resampled_means
from cappy.metrics.references import rouge_l
from cappy.selection.selectors import SELECTORS, Pool, choose

Array = NDArray[np.float64]

SINGLE = ("beam", "sampling", "temp", "topk", "topp")
"""Kinds of decoding with a result of their own in the paper's table."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool of samples and the quality of each, in [0, 1]: Rouge-L against the references."""

    pool: Pool
    qualities: tuple[float, ...]


def judge(pool: Pool, references: Sequence[str]) -> Judged:
    """Label every sample by its Rouge-L against the references."""
    known: dict[str, float] = {}
    for sample in pool.samples:
        if sample.text not in known:
            known[sample.text] = rouge_l(sample.text, references)
    return Judged(pool, tuple(known[sample.text] for sample in pool.samples))


def by_decoding(judged: Judged) -> dict[str, float]:
    """Return the mean quality of samples by kind of decoding: the expected result without selection."""
    found: dict[str, list[float]] = {}
    for sample, quality in zip(judged.pool.samples, judged.qualities, strict=True):
        kind = next((name for name in SINGLE if sample.decoding.startswith(name)), sample.decoding)
        found.setdefault(kind, []).append(quality)
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def by_selector(judged: Judged, names: Sequence[str]) -> dict[str, float]:
    """Return the quality of each selector's choice; NaN if a selector lacks what it needs."""
    chosen: dict[str, float] = {}
    texts = [sample.text for sample in judged.pool.samples]
    for name in names:
        try:
            chosen[name] = judged.qualities[choose(SELECTORS[name](judged.pool), texts)]
        except InputError:
            chosen[name] = float("nan")
    return chosen


def oracle(judged: Judged) -> float:
    """Return the quality of the best sample, the upper bound of all selectors."""
    return max(judged.qualities)


def mean_interval(values: Array, seed: int, name: str) -> Interval:
    """Return the bootstrap interval of the mean of `values` [examples]."""
    return interval(resampled_means(values[:, None], seed, name)[:, 0])


def mean_over_tasks_interval(tasks: Mapping[str, Array], seed: int) -> Interval:
    """Return the bootstrap interval of the mean over tasks; examples are resampled within each task."""
    return average_interval([resampled_means(values[:, None], seed, name)[:, 0] for name, values in tasks.items()])


def headroom_share(value: float, base: float, best: float) -> float:
    """Return the share of the headroom from `base` to the oracle `best` that `value` gains; NaN without headroom."""
    return (value - base) / (best - base) if best - base > 1e-9 else float("nan")
