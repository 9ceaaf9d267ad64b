"""Tasks grouped by what they ask for: an average over all of them is carried by whichever kind is easiest."""

from __future__ import annotations

from collections.abc import Sequence

from cappy.evaluation.formats import percent, span
from cappy.evaluation.zeroshot.summary import Average, SystemFigures
from cappy.evaluation.zeroshot.tasks import KIND_OF, KINDS, OWN_KIND


def tasks_by_kind(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of tasks by kind, kinds in the order of `KINDS`; tasks that are not known are one's own."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in names:
        found[KIND_OF.get(name, OWN_KIND)].append(name)
    return {kind: members for kind, members in found.items() if members}


def kind_averages(system: SystemFigures, names: Sequence[str] | None = None) -> dict[str, Average]:
    """Return a system's average over each kind of those tasks (all that it has figures of, unless given)."""
    done = [name for name in system.by_task if names is None or name in names]
    averages = {kind: system.average(members) for kind, members in tasks_by_kind(done).items()}
    return {kind: average for kind, average in averages.items() if average}


def kind_lines(systems: Sequence[SystemFigures], names: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table of mean accuracies by kind, heading first; none where tasks are of one kind.

    `names` are tasks that every system was asked alike. Baselines are those of the very rows.
    """
    found = [kind_averages(system, names) for system in systems]
    if len(found[0]) < 2:
        return []
    lines = [["kind", "tasks", "chance", "majority", *(system.name for system in systems)]]
    for kind, first in found[0].items():
        own = [f"{percent(averages[kind].mean)} ({span(averages[kind].interval)})" for averages in found]
        lines.append([kind, ", ".join(first.tasks), percent(first.chance), percent(first.majority), *own])
    return lines
