"""Results as Markdown and JSON, with several systems side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cappy.evaluation.formats import percent, span
from cappy.evaluation.zeroshot import published
from cappy.evaluation.zeroshot.kinds import kind_averages, kind_lines
from cappy.evaluation.zeroshot.summary import PAPER_TASKS, Average, Difference, SystemFigures, TaskFigures, difference
from cappy.metrics.bootstrap import LEVEL, SAMPLES
from cappy.metrics.classification import CALIBRATION_BINS

NONE = "—"


def task_names(systems: Sequence[SystemFigures]) -> list[str]:
    """Return the names of all tasks, in order of first appearance."""
    return list(dict.fromkeys(task.task for system in systems for task in system.tasks))


def any_figures(systems: Sequence[SystemFigures], name: str) -> TaskFigures | None:
    """Return a task's results from the first system that has them."""
    return next((system.by_task[name] for system in systems if name in system.by_task), None)


def system_table(system: SystemFigures) -> str:
    """Return a Markdown table of one system in percent, a row per task; notes below it explain missing results."""
    heading = ["task", "rows", "templates", "chance", "majority", "mean", f"{100 * LEVEL:.0f}% interval"]
    heading += ["median", "worst", "best", "F1", "Brier", "ECE"]
    lines = [heading, ["---"] * len(heading)]
    for task in system.tasks:
        if not task:
            lines.append([task.task, str(task.rows), *[NONE] * (len(heading) - 2)])
            continue
        baselines = [percent(task.chance), percent(task.majority)]
        spread = [percent(value) for value in (task.median, task.worst, task.best)]
        others = [percent(task.macro_f1), f"{task.brier:.3f}", percent(task.calibration_error)]
        own = [task.task, str(task.rows), str(len(task.templates)), *baselines, percent(task.mean), span(task.interval)]
        lines.append([*own, *spread, *others])
    for label, average in averages(system):
        shown = [percent(average.chance), percent(average.majority), percent(average.mean), span(average.interval)]
        lines.append([f"**{label}**", "", "", *shown, *[""] * (len(heading) - 7)])
    return "\n".join([*_table(lines), *kinds_table([system]), *notes(system)])


def averages(system: SystemFigures) -> list[tuple[str, Average]]:
    """Return the averages to show: over all tasks, and over the paper's tasks if these differ."""
    every, paper = system.average(), system.average(PAPER_TASKS)
    found = []
    if every and len(every.tasks) > 1:
        found.append((f"average of {len(every.tasks)}", every))
    if every and paper and 1 < len(paper.tasks) < len(every.tasks):
        found.append((f"average of the paper's, {len(paper.tasks)} of {len(PAPER_TASKS)}", paper))
    return found


def kinds_table(systems: Sequence[SystemFigures]) -> list[str]:
    """Return a Markdown table by kind of task, after a blank line; [] if there is only one kind."""
    lines = kind_lines(systems, common_tasks(systems, task_names(systems)))
    return ["", *_table([lines[0], ["---"] * len(lines[0]), *lines[1:]])] if lines else []


def notes(system: SystemFigures) -> list[str]:
    """Return the lines about missing results, after a blank line; [] if nothing is missing."""
    lines = [f"- {task.task}: {note}." for task in system.tasks for note in task.notes]
    return ["", *lines] if lines else []


def comparison_table(systems: Sequence[SystemFigures]) -> str:
    """Return a Markdown table of mean accuracies in percent, a column per system, published ones last."""
    names = task_names(systems)
    heading = ["task", "chance", "majority", *(system.name for system in systems), *published.SYSTEMS]
    lines = [heading, ["---"] * len(heading)]
    for name in names:
        first = any_figures(systems, name)
        baselines = [percent(first.chance), percent(first.majority)] if first else [NONE, NONE]
        own = [percent(system.by_task[name].mean) if name in system.by_task else NONE for system in systems]
        theirs = [f"{value:.1f}" for value in published.ACCURACY.get(name, ())] or [""] * len(published.SYSTEMS)
        lines.append([name, *baselines, *own, *theirs])
    lines += _average_lines(systems, names)
    return "\n".join([*_table(lines), *kinds_table(systems)])


def common_tasks(systems: Sequence[SystemFigures], names: Sequence[str]) -> list[str]:
    """Return the tasks with the same rows and templates for every system."""
    return [name for name in names if all(name in system.by_task for system in systems) and not differs(systems, name)]


def differs(systems: Sequence[SystemFigures], name: str) -> bool:
    """Tell whether systems have results for different rows or templates of a task."""
    return len({system.by_task[name].key for system in systems if name in system.by_task}) > 1


def unlike_note(systems: Sequence[SystemFigures]) -> list[str]:
    """Return a sentence that names tasks whose results cannot be compared; [] if all can."""
    unlike = [name for name in task_names(systems) if differs(systems, name)]
    if not unlike:
        return []
    return [
        "Not the same rows or templates for every system, and so in none of the averages side by side: "
        f"{', '.join(unlike)}."
    ]


def _average_lines(systems: Sequence[SystemFigures], names: Sequence[str]) -> list[list[str]]:
    """Average over the common tasks, and over the paper's among them, with published averages."""
    common = common_tasks(systems, names)
    paper = [name for name in common if name in PAPER_TASKS]
    lines = []
    for label, chosen in ((f"average of {len(common)}", common), (f"average of the paper's {len(paper)}", paper)):
        found = [system.average(chosen) for system in systems]
        if len(chosen) < 2 or (chosen is common and paper == common) or not all(found):
            continue
        theirs = [f"{value:.1f}" for value in published_average(chosen)] or [""] * len(published.SYSTEMS)
        done = [average for average in found if average]
        own = [f"**{percent(average.mean)}** ({span(average.interval)})" for average in done]
        lines.append([f"**{label}**", percent(done[0].chance), percent(done[0].majority), *own, *theirs])
    return lines


def published_average(names: Sequence[str]) -> list[float]:
    """Return each published system's mean accuracy in percent over these tasks; [] unless all are the paper's."""
    if not names or not all(name in published.ACCURACY for name in names):
        return []
    if set(names) == set(published.ACCURACY):
        return list(published.AVERAGE)
    columns = zip(*(published.ACCURACY[name] for name in names), strict=True)
    return [sum(column) / len(names) for column in columns]


def difference_lines(systems: Sequence[SystemFigures]) -> list[str]:
    """Describe the first system's lead over each other one, and the gain of batch calibration for each system.

    Batch-calibrated systems are compared among themselves.
    """
    pairs = []
    for share in dict.fromkeys(system.batch_calibration for system in systems):
        alike = [system for system in systems if system.batch_calibration == share]
        pairs += [(alike[0], other) for other in alike[1:]]
    plain: dict[tuple[str, str], SystemFigures] = {}
    for system in systems:  # a run's plain results precede its batch-calibrated ones
        key = system.system, system.rule
        if not system.batch_calibration:
            plain[key] = system
        elif key in plain:
            pairs.append((system, plain[key]))
    lines = []
    for system, other in pairs:
        every, paper = difference(system, other), difference(system, other, PAPER_TASKS)
        if every:
            others = [_gap(paper, "of the paper's")] if paper and paper.tasks < every.tasks else []
            lines.append(f"- {system.name} against {other.name}: {', '.join([_gap(every), *others])}.")
    return lines


def _gap(found: Difference, which: str = "") -> str:
    mean, low, high = (f"{100 * gap:+.1f}" for gap in (found.mean, found.interval.low, found.interval.high))
    tasks = f"{found.tasks} {which or ('tasks' if found.tasks > 1 else 'task')}"
    return f"{mean} points ({low} to {high}) over {tasks}"


def batch_calibration_note(systems: Sequence[SystemFigures]) -> list[str]:
    """Return an explanation of batch-calibrated results; [] if no system has any."""
    calibrated = [system for system in systems if system.batch_calibration]
    if not calibrated:
        return []
    left = dict.fromkeys(
        task.task
        for system in calibrated
        for task in system.tasks
        if task and not any(figures.batch_calibrated for figures in task.templates)
    )
    alone = f" Left as they are: {', '.join(left)}." if left else ""
    return [
        "Batch-calibrated: each choice's mean score over the very rows evaluated (or the share named) is taken away, "
        "without their labels, where all rows of a template have the same choices (after Zhou et al., 2024, "
        f"arXiv 2309.17249); the bootstrap leaves these offsets as they are.{alone}"
    ]


def how_to_read(systems: Sequence[SystemFigures]) -> list[str]:
    """Return an explanation of the metrics, one or two sentences per line."""
    units = "; ".join(f"{system.name} {system.temperature:g}" for system in systems)
    return [
        "Accuracy in percent: the mean over all templates; beside it their median, worst and best.",
        f"Intervals: {100 * LEVEL:.0f}%, percentile bootstrap over rows ({SAMPLES:,} draws, a row drawn with all its "
        "templates; an average draws the rows of each task).",
        "Chance is the exact expectation of choosing at random, majority that of always choosing the place that is "
        "right most often among these very rows.",
        "F1 is macro-F1 over places in percent; Brier the squared error of the probabilities over all choices, 0 to 2; "
        f"ECE the expected calibration error in percent, {CALIBRATION_BINS} bins. All are means over templates.",
        f"Probabilities are softmax(score / temperature), the temperature set beforehand, never fitted here: {units}.",
        *batch_calibration_note(systems),
        f"Published figures: {published.SOURCE}.",
    ]


def markdown_report(systems: Sequence[SystemFigures], settings: str = "") -> str:
    """Return the whole report as Markdown."""
    parts = ["# Zero-shot evaluation", *([settings] if settings else []), comparison_table(systems)]
    if gaps := [*difference_lines(systems), *(f"- {line}" for line in unlike_note(systems))]:
        parts += ["\n".join(gaps)]
    for system in systems:
        parts += [f"## {system.name}", system_table(system)]
    parts += ["## How to read this", "\n".join(f"- {line}" for line in how_to_read(systems))]
    return "\n\n".join(parts) + "\n"


def json_report(systems: Sequence[SystemFigures], settings: str = "") -> dict[str, Any]:
    """Return the whole report as plain values for JSON; shares in [0, 1], published results in percent.

    A task's `key` is a hash of its rows and templates; results with different keys cannot be compared.
    """
    beside = {
        "source": published.SOURCE,
        "systems": list(published.SYSTEMS),
        "accuracy_percent": {name: list(values) for name, values in published.ACCURACY.items()},
        "average_percent": list(published.AVERAGE),
    }
    return {"settings": settings, "systems": [_system_json(system) for system in systems], "published": beside}


def _system_json(system: SystemFigures) -> dict[str, Any]:
    own = {"name": system.name, "system": system.system, "rule": system.rule, "temperature": system.temperature}
    own["batch_calibration"] = system.batch_calibration
    found = {"all": system.average(), "paper": system.average(PAPER_TASKS)}
    shown = {key: asdict(average) if average else None for key, average in found.items()}
    kinds = {kind: asdict(average) for kind, average in kind_averages(system).items()}
    return {**own, "average": shown, "kinds": kinds, "results": [_task_json(task) for task in system.tasks]}


def _task_json(task: TaskFigures) -> dict[str, Any]:
    about = {"task": task.task, "rows": task.rows, "key": task.key, "notes": list(task.notes)}
    if not task:
        return about
    spread = {"mean": task.mean, "median": task.median, "worst": task.worst, "best": task.best}
    others = {"macro_f1": task.macro_f1, "brier": task.brier, "calibration_error": task.calibration_error}
    others |= {"majority": task.majority, "chance": task.chance}
    templates = [asdict(figures) for figures in task.templates]
    return {**about, **spread, "interval": asdict(task.interval), **others, "templates": templates}


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
