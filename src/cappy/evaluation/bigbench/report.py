"""Results on BIG-Bench as Markdown, JSON and one HTML page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cappy.errors import InputError
from cappy.evaluation.bigbench.boosting import SINGLE
from cappy.evaluation.bigbench.page import html
from cappy.evaluation.bigbench.published import MODELS, RESULTS
from cappy.evaluation.bigbench.table import (
    COLUMNS,
    NAMES,
    TaskScores,
    adaptive_summary,
    can_be_adaptive,
    has_values,
    measured,
    share,
    summary,
    task_scores,
)
from cappy.evaluation.formats import percent, plain
from cappy.files.atomic import write_json

SHORT = ("beam", "sampling", "self-sum", "self-mean", "mbr", "cappy", "cappy-learnt", "cappy-adapted", "oracle")
"""Columns of the table by task; the table of averages has all columns."""


def markdown(tasks: Sequence[TaskScores], found: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the report: settings, averages with published results, lifts, adaptive sampling, and tasks."""
    parts = [
        f"# {facts['llm']} on {found['tasks']} generative tasks of BIG-Bench, boosted by {facts['scorer']}",
        _made(facts),
        "## Average Rouge-L over tasks",
        _averages(found),
        _lifts(found),
        *([_adaptive(facts["adaptive"])] if facts.get("adaptive") else []),
        "## By task",
        _by_task(tasks),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _made(facts: Mapping[str, Any]) -> str:
    lines = [f"- {key}: {value}" for key, value in facts.items() if key not in ("adaptive", "llm", "scorer")]
    return "\n".join(lines)


def _averages(found: Mapping[str, Any]) -> str:
    heading = ["", "this run", "95% interval", *MODELS]
    lines = [heading, ["---"] * len(heading)]
    for name in measured(found):
        low, high = found["intervals"][name]
        published = [f"{value:.1f}" for value in RESULTS[name]] if name in RESULTS else [""] * len(MODELS)
        lines.append([NAMES[name], percent(found["means"][name]), f"{percent(low)} to {percent(high)}", *published])
    note = (
        "The columns of FLAN-T5 are published figures (README of tanyuqian/cappy, commit c6793d6): all examples of all "
        "45 tasks, and the Cappy of 360M parameters."
    )
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", note])


def _lifts(found: Mapping[str, Any]) -> str:
    heading = ["against " + NAMES[found["baseline"]], "lift", "95% interval", "headroom taken", "tasks better", "worse"]
    lines = [heading, ["---"] * len(heading)]
    for name, lift in found["lifts"].items():
        low, high = lift["interval"]
        own = [f"{100 * lift['lift']:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}", share(lift["headroom_share"])]
        lines.append([NAMES[name], *own, str(lift["tasks_better"]), str(lift["tasks_worse"])])
    note = "Better and worse: by more than the 95% bootstrap interval of the task's paired differences."
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", note])


def _adaptive(adaptive: Mapping[str, Mapping[str, float]]) -> str:
    heading = ["adaptive sampling", "samples", "Rouge-L", "all drawn samples", "half of them"]
    lines = [heading, ["---"] * len(heading)]
    for name, values in adaptive.items():
        own = [f"{values['samples']:.1f}", *(percent(values[key]) for key in ("adaptive", "all", "half"))]
        lines.append([name, *own])
    return "\n".join(["## Adaptive sampling", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _by_task(tasks: Sequence[TaskScores]) -> str:
    shown = [name for name in SHORT if any(not math.isnan(task.mean(name)) for task in tasks)]
    heading = ["task", "n", *(NAMES[name] for name in shown)]
    lines = [heading, ["---"] * len(heading)]
    for task in tasks:
        count = str(len(task.columns["oracle"]))
        means = [task.mean(name) for name in shown]
        lines.append([task.task, count, *("—" if math.isnan(mean) else percent(mean) for mean in means)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(tasks: Sequence[TaskScores], found: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of the report as plain values; unmeasured ones are None, because JSON lacks NaN."""
    rows = {task.task: {name: task.mean(name) for name in COLUMNS} for task in tasks}
    return {**plain({**facts, "summary": found, "by_task": rows}), "decodings": list(SINGLE)}


def write_report(
    results: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], folder: Path, threshold: float
) -> Path:
    """Write report.md, report.json and report.html into `folder` and return the path of report.md."""
    missing = {result["task"]: result["without_samples"] for result in results if result["without_samples"]}
    if missing:
        said = ", ".join(f"{task} {count}" for task, count in missing.items())
        facts = {**facts, "validation examples without samples": said}
    results = [result for result in results if result["rows"]]
    if not results:
        raise InputError("no task has an example with samples; the language model failed on all of them.")
    tasks = [task_scores(result) for result in results]
    hopeless = [value == 0 for task in tasks for value in task.columns["oracle"]]
    facts = {
        **facts,
        "examples of which no sample shares a word with a reference": f"{100 * sum(hopeless) / len(hopeless):.1f}%",
    }
    found = summary(tasks)
    adaptive = {}
    if can_be_adaptive(results):
        # Learnt selection looks at all samples, so it cannot stop after some of them.
        known = [name for name in ("cappy", "cappy-adapted") if has_values(results, name)]
        adaptive = {NAMES[name]: adaptive_summary(results, name, threshold) for name in known}
    whole = {**facts, "adaptive": adaptive}
    path = folder / "report.md"
    path.write_text(markdown(tasks, found, whole), encoding="utf-8")
    write_json(folder / "report.json", as_json(tasks, found, whole))
    (folder / "report.html").write_text(html(tasks, found, whole), encoding="utf-8")
    return path
