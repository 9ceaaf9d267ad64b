"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from cappy.evaluation.zeroshot import TaskResult


def zero_shot_table(results: Sequence[TaskResult]) -> str:
    """Return a Markdown table, a row a task, accuracies in percent; tasks without a result say why below it."""
    heading = ["task", "rows", "templates", "majority", "mean", "median", "worst", "best"]
    lines = [heading, ["---"] * len(heading)]
    for result in results:
        if not result.templates:
            lines.append([result.task, str(result.rows), *["—"] * (len(heading) - 2)])
            continue
        figures = result.summary()
        own = [percent(figures[key]) for key in ("majority", "mean", "median", "worst", "best")]
        lines.append([result.task, str(result.rows), str(len(result.templates)), *own])
    done = [result for result in results if result.templates]
    if len(done) > 1:
        averages = [sum(values) / len(done) for values in zip(*((r.majority, r.mean) for r in done), strict=True)]
        lines.append(["**average**", "", "", *map(percent, averages), "", "", ""])
    notes = [f"{result.task}: {result.note}." for result in results if result.note]
    return "\n".join([f"| {' | '.join(line)} |" for line in lines] + (["", *notes] if notes else []))


def percent(share: float) -> str:
    """Show a share in percent."""
    return f"{100 * share:.1f}"
