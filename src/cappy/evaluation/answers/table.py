"""Metrics of every system by source and overall, with bootstrap intervals over instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.data.answers import JudgedAnswers
from cappy.evaluation.answers.systems import Floats, Values
from cappy.metrics.bootstrap import Interval, interval, resampled_means
from cappy.metrics.preferences import chosen_worth, length_liking, pair_order, share_of_the_way

ALL = "all"
Places = NDArray[np.intp]
"""Indices of rows."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The metrics of a system on a source; NaN if unknown.

    `pairs`: the share of pairs in the right order, averaged over rows. `worth`: the mean worth of chosen answers in the
    source's unit; None over several sources. `way`: the share of the way from a random answer to the best; over several
    sources, their mean. `liking`: the mean of Kendall's tau-b between values and lengths.
    """

    pairs: float
    pairs_interval: Interval
    worth: float | None
    way: float
    way_interval: Interval
    liking: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Cappy's lead in pairs right over another system on the same rows, with its interval."""

    against: str
    pairs: float
    bounds: Interval


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A source: the number of rows, the mean number of answers per row, and every system's metrics."""

    source: str
    rows: int
    answers: float
    systems: Mapping[str, Figures]
    differences: tuple[Difference, ...]


def tables(rows: Sequence[JudgedAnswers], values: Mapping[str, Values], seed: int, ours: str) -> list[SourceTable]:
    """Make a table for each source, largest first, and an overall one if there are several.

    `values`: every system's [rows][answers]. `ours`: the system that is compared with the others. Overall, `pairs`
    weighs rows equally and `way` weighs sources equally.
    """
    measured = {name: _row_figures(rows, one) for name, one in values.items()}
    best = np.array([max(row.worth) for row in rows])
    named = np.array([row.source for row in rows])
    sources = sorted(set(named), key=lambda name: (-int((named == name).sum()), name))
    parts = {name: np.flatnonzero(named == name) for name in sources}
    found = [_table(name, [places], rows, measured, best, seed, ours) for name, places in parts.items()]
    if len(sources) > 1:
        found.append(_table(ALL, list(parts.values()), rows, measured, best, seed, ours))
    return found


def _row_figures(rows: Sequence[JudgedAnswers], values: Values) -> Floats:
    """Return [rows, 3]: pair order, worth of the chosen answer, length preference."""
    found = []
    for row, of_row in zip(rows, values, strict=True):
        worth, lengths = np.array(row.worth), np.array([float(len(text)) for text in row.answers])
        found.append((pair_order(of_row, worth), chosen_worth(of_row, worth), length_liking(of_row, lengths)))
    return np.array(found, dtype=np.float64)


def _table(
    name: str,
    parts: Sequence[Places],
    rows: Sequence[JudgedAnswers],
    measured: Mapping[str, Floats],
    best: Floats,
    seed: int,
    ours: str,
) -> SourceTable:
    """Make the table of the rows at `parts`, one part per source."""
    every = np.concatenate(parts)
    pairs = np.stack([one[every, 0] for one in measured.values()], axis=1)
    drawn_pairs = resampled_means(pairs, seed, name)
    random = measured["random"][:, 1]
    ways = _ways(measured, random, best, parts)
    drawn_ways = _drawn_ways(measured, random, best, parts, seed, name)
    systems = {
        system: Figures(
            pairs=_mean(pairs[:, place]),
            pairs_interval=interval(drawn_pairs[:, place]),
            worth=_mean(figures[every, 1]) if len(parts) == 1 else None,
            way=float(ways[place]),
            way_interval=interval(drawn_ways[:, place]),
            liking=_mean(figures[every, 2]),
        )
        for place, (system, figures) in enumerate(measured.items())
    }
    own = list(measured).index(ours)
    differences = tuple(
        Difference(
            system,
            systems[ours].pairs - systems[system].pairs,
            interval(drawn_pairs[:, own] - drawn_pairs[:, place]),
        )
        for place, system in enumerate(measured)
        if system != ours
    )
    return SourceTable(name, len(every), float(np.mean([len(rows[i].answers) for i in every])), systems, differences)


def _ways(measured: Mapping[str, Floats], random: Floats, best: Floats, parts: Sequence[Places]) -> Floats:
    """Return every system's share of the way [systems], the mean over parts."""
    by_part = [[share_of_the_way(one[at, 1], random[at], best[at]) for one in measured.values()] for at in parts]
    return _known_mean(np.array(by_part))


def _drawn_ways(
    measured: Mapping[str, Floats], random: Floats, best: Floats, parts: Sequence[Places], seed: int, name: str
) -> Floats:
    """Return the same for resampled rows [samples, systems]; each part is resampled separately."""
    drawn = []
    for number, at in enumerate(parts):
        columns = [*(one[at, 1] for one in measured.values()), random[at], best[at]]
        means = resampled_means(np.stack(columns, axis=1), seed, f"{name}:{number}")
        drawn.append(share_of_the_way(means[:, :-2, None], means[:, -2, None, None], means[:, -1, None, None]))
    return _known_mean(np.array(drawn))


def _known_mean(parts: Floats) -> Floats:
    """Return the mean over the first axis, ignoring NaN."""
    known = ~np.isnan(parts)
    count = known.sum(axis=0)
    mean: Floats = np.where(count, np.where(known, parts, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return mean


def _mean(values: Floats) -> float:
    """Return the mean, ignoring NaN; NaN if all are."""
    return float(_known_mean(values))
