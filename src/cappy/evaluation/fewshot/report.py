"""The comparison as Markdown, JSON and one HTML page with a plot of accuracy against examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cappy.evaluation.fewshot.run import Measured
from cappy.evaluation.formats import percent, span
from cappy.files.html import render
from cappy.metrics.bootstrap import Interval, average_interval

AVERAGE = "average"
COLOURS = ("#2f6fb0", "#7fb2de", "#c9a227", "#b0532f", "#5b8f4a", "#8a5bb0", "#777")


def by_system(found: Sequence[Measured]) -> Mapping[str, list[Measured]]:
    """Gather measurements by system, in order of first appearance."""
    gathered: dict[str, list[Measured]] = {}
    for one in found:
        gathered.setdefault(one.system, []).append(one)
    return gathered


def means(measured: Sequence[Measured]) -> list[float]:
    """Return the mean accuracy over sets and seeds for each size."""
    return [float(value) for value in np.mean([one.accuracy.mean(axis=1) for one in measured], axis=0)]


def lead(ours: Sequence[Measured], theirs: Sequence[Measured], size: int) -> tuple[float, Interval]:
    """Return ours minus theirs in accuracy, averaged over sets, with an interval over seeds; `size` is an index."""
    differences = [one.accuracy[size] - other.accuracy[size] for one, other in zip(ours, theirs, strict=True)]
    if len(differences[0]) < 2:
        mean = float(np.mean(differences))
        return mean, Interval(mean, mean)
    return float(np.mean(differences)), average_interval([_resampled(one) for one in differences])


def _resampled(values: np.ndarray) -> np.ndarray:
    draw = np.random.default_rng(0)
    return np.asarray(draw.choice(values, (2000, len(values))).mean(axis=1))


def markdown(found: Sequence[Measured], sizes: Sequence[int], about: str) -> str:
    """Write the tables: average over sets, leads, every set, and times."""
    return "\n".join(_lines(found, sizes, about)) + "\n"


def _lines(found: Sequence[Measured], sizes: Sequence[int], about: str) -> Iterator[str]:
    systems = by_system(found)
    head = f"| | {' | '.join(map(str, sizes))} |"
    rule = "|---" * (len(sizes) + 1) + "|"
    first, *others = systems
    yield from ("# Few-shot classification", "", about, "", "Accuracy in percent by examples a class.", "")
    sets = [one.rows for one in systems[first]]
    if len(sets) > 1:
        yield from (f"## Average over {len(sets)} sets", "", head, rule)
        for name, measured in systems.items():
            yield f"| {name} | {' | '.join(map(percent, means(measured)))} |"
        yield ""
    if others:
        yield from (f"{first} over each, with 95% intervals over seeds:", "", head, rule)
        for name in others:
            leads = [lead(systems[first], systems[name], size) for size in range(len(sizes))]
            yield f"| {name} | {' | '.join(f'{100 * mean:+.1f} ({span(bounds)})' for mean, bounds in leads)} |"
    for number, rows in enumerate(sets):
        yield from ("", f"## {rows}", "", head, rule)
        for name, measured in systems.items():
            values = measured[number].accuracy
            cells = [f"{percent(one.mean())} ± {100 * one.std():.1f}" for one in values]
            yield f"| {name} | {' | '.join(cells)} |"
    if not all(one.seconds for one in found):
        return
    yield from ("", "## Seconds of a fit, from texts to a classifier", "", head, rule)
    for name, measured in systems.items():
        mean = np.mean([one.seconds for one in measured], axis=0)
        yield f"| {name} | {' | '.join(f'{one:.1f}' for one in mean)} |"


def figures(found: Sequence[Measured], sizes: Sequence[int], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return all measurements as plain values for JSON."""
    rows = [
        {"system": one.system, "set": one.rows, "accuracy": one.accuracy.tolist(), "seconds": list(one.seconds)}
        for one in found
    ]
    return {**facts, "sizes": list(sizes), "measured": rows}


def html(found: Sequence[Measured], sizes: Sequence[int], about: str) -> str:
    """Render one page with a plot for each set and for their average.

    Raises:
        MissingExtraError: jinja2 is not installed.

    """
    systems = by_system(found)
    sets = [one.rows for one in next(iter(systems.values()))]
    plots = []
    if len(sets) > 1:
        plots.append(_plot(AVERAGE, {name: means(measured) for name, measured in systems.items()}, sizes))
    for number, rows in enumerate(sets):
        curves = {name: measured[number].accuracy.mean(axis=1).tolist() for name, measured in systems.items()}
        plots.append(_plot(rows, curves, sizes))
    key = [(name, COLOURS[place % len(COLOURS)]) for place, name in enumerate(systems)]
    return render("cappy.evaluation.fewshot", {"about": about, "plots": plots, "key": key})


def _plot(title: str, curves: Mapping[str, Sequence[float]], sizes: Sequence[int]) -> dict[str, Any]:
    """Lay out curves: sizes evenly from left to right, accuracy from a round number below all values to 1."""
    lowest = 100 * min(min(values) for values in curves.values())
    step = 5 if lowest >= 75 else 10 if lowest >= 50 else 20
    first = min(100 - step, int(lowest // step) * step)
    least = first / 100

    def x(place: int) -> float:
        return 40 + 300 * place / max(1, len(sizes) - 1)

    def y(value: float) -> float:
        return 190 - 180 * (value - least) / (1 - least)

    return {
        "title": title,
        "sizes": [(x(place), size) for place, size in enumerate(sizes)],
        "ticks": [(y(tick / 100), str(tick)) for tick in range(first, 101, step)],
        "curves": [
            {
                "name": name,
                "colour": COLOURS[number % len(COLOURS)],
                "points": [(x(place), y(value), percent(value)) for place, value in enumerate(values)],
            }
            for number, (name, values) in enumerate(curves.items())
        ],
    }
