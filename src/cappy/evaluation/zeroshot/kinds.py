"""Tasks grouped by kind, because an average over all tasks is dominated by the easiest kinds."""

from __future__ import annotations

from collections.abc import Sequence

from cappy.evaluation.formats import percent, span
from cappy.evaluation.zeroshot.summary import Average, SystemFigures
from cappy.evaluation.zeroshot.tasks import KIND_OF, KINDS, OWN_KIND


def tasks_by_kind(names: Sequence[str]) -> dict[str, list[str]]:
    """Group task names by kind, in the order of `KINDS`; unknown tasks are the user's own."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in names:
        found[KIND_OF.get(name, OWN_KIND)].append(name)
    return {kind: members for kind, members in found.items() if members}


def kind_averages(system: SystemFigures, names: Sequence[str] | None = None) -> dict[str, Average]:
    """Return a system's average over each kind of the named tasks; by default all that it has results for."""
    done = [name for name in system.by_task if names is None or name in names]
    averages = {kind: system.average(members) for kind, members in tasks_by_kind(done).items()}
    return {kind: average for kind, average in averages.items() if average}


def kind_lines(systems: Sequence[SystemFigures], names: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table of mean accuracies by kind, heading first; [] if there is only one kind.

    `names`: tasks with the same rows and templates for every system. Chance and majority are those of these rows.
    """
    found = [kind_averages(system, names) for system in systems]
    if len(found[0]) < 2:
        return []
    lines = [["kind", "tasks", "chance", "majority", *(system.name for system in systems)]]
    for kind, first in found[0].items():
        own = [f"{percent(averages[kind].mean)} ({span(averages[kind].interval)})" for averages in found]
        lines.append([kind, ", ".join(first.tasks), percent(first.chance), percent(first.majority), *own])
    return lines
