"""The report as one self-contained HTML page with plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cappy.evaluation.formats import percent, span
from cappy.evaluation.zeroshot import published
from cappy.evaluation.zeroshot.kinds import kind_lines
from cappy.evaluation.zeroshot.report import (
    any_figures,
    common_tasks,
    difference_lines,
    how_to_read,
    published_average,
    task_names,
    unlike_note,
)
from cappy.evaluation.zeroshot.summary import PAPER_TASKS, SystemFigures
from cappy.files.html import render


def html_report(systems: Sequence[SystemFigures], settings: str = "") -> str:
    """Render the page: plots of averages, tasks and reliability, and all results in tables."""
    names = task_names(systems)
    values = {
        "systems": systems,
        "settings": settings,
        "averages": _averages(systems, names),
        "kinds": kind_lines(systems, common_tasks(systems, names)),
        "tasks": [_task(systems, name) for name in names],
        "reliability": [_reliability(place, system) for place, system in enumerate(systems)],
        "gaps": [*(line.removeprefix("- ") for line in difference_lines(systems)), *unlike_note(systems)],
        "notes": _notes(systems),
        "reading": how_to_read(systems),
        "published_systems": published.SYSTEMS,
        "published": published.ACCURACY,
    }
    return render("cappy.evaluation.zeroshot", values, {"percent": percent, "span": span})


def _averages(systems: Sequence[SystemFigures], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the plots of averages: over the paper's tasks, with published ones, and over all tasks."""
    common = common_tasks(systems, names)
    paper = [name for name in common if name in PAPER_TASKS]
    plots = []
    for label, chosen in (("The paper's tasks", paper), ("All tasks", common)):
        if not chosen or (label == "All tasks" and paper == common):
            continue
        found = [(system, system.average(chosen)) for system in systems]
        bars = [
            {"name": system.name, "value": a.mean, "low": a.interval.low, "high": a.interval.high, "place": place}
            for place, (system, a) in enumerate(found)
            if a
        ]
        theirs = zip(published.SYSTEMS, published_average(chosen), strict=False)
        bars += [
            {"name": name, "value": value / 100, "low": None, "high": None, "place": None} for name, value in theirs
        ]
        first = found[0][1]
        bars.sort(key=lambda bar: -float(str(bar["value"])))
        plots.append(
            {"label": label, "tasks": chosen, "bars": bars, "majority": first.majority, "chance": first.chance}
            if first
            else {}
        )
    return plots


def _task(systems: Sequence[SystemFigures], name: str) -> dict[str, Any]:
    """Return the values of a task's plot."""
    first = any_figures(systems, name)
    marks = [(place, system.by_task[name]) for place, system in enumerate(systems) if name in system.by_task]
    return {
        "name": name,
        "rows": first.rows if first else 0,
        "chance": first.chance if first else None,
        "majority": first.majority if first else None,
        "marks": marks,
        "published": [value / 100 for value in published.ACCURACY.get(name, ())],
    }


def _reliability(place: int, system: SystemFigures) -> dict[str, Any]:
    """Pool a system's calibration bins over tasks, with equal weights."""
    pooled = [task.bins / task.bins[0].sum() for task in system.by_task.values()]
    points = []
    if pooled:
        total = sum(pooled)
        for count, confidence, correct in zip(*total, strict=True):
            if count > 0:
                share = count / len(pooled)
                points.append({"share": share, "confidence": confidence / count, "accuracy": correct / count})
    return {"place": place, "name": system.name, "points": points}


def _notes(systems: Sequence[SystemFigures]) -> list[tuple[str, str]]:
    """Return the distinct (task, note) pairs."""
    return list(dict.fromkeys((task.task, note) for system in systems for task in system.tasks for note in task.notes))
