"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cappy.evaluation.zeroshot import TaskResult


def zero_shot_table(results: Sequence[TaskResult], baselines: Mapping[str, Sequence[TaskResult]]) -> str:
    """Return a Markdown table: a row a task, accuracies in percent, other systems' means beside them."""
    names = list(baselines)
    heading = ["task", "rows", "templates", "majority", *names, "mean", "median", "worst", "best"]
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    others = {name: {result.task: result for result in baselines[name]} for name in names}
    for result in results:
        if not result.templates:
            lines.append(f"| {result.task} | {result.rows} |{' — |' * (len(heading) - 2)}")
            continue
        figures = result.summary()
        beside = [percent(others[name][result.task].mean) for name in names]
        own = [percent(figures[key]) for key in ("mean", "median", "worst", "best")]
        cells = [result.task, str(result.rows), str(len(result.templates)), percent(result.majority), *beside, *own]
        lines.append(f"| {' | '.join(cells)} |")
    done = [result for result in results if result.templates]
    if len(done) > 1:
        means = [percent(sum(others[n][r.task].mean for r in done) / len(done)) for n in names]
        majority = percent(sum(r.majority for r in done) / len(done))
        average = percent(sum(r.mean for r in done) / len(done))
        cells = ["**average**", "", "", majority, *means, f"**{average}**", "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"{result.task}: {result.note}." for result in results if result.note]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def percent(share: float) -> str:
    """Show a share in percent."""
    return f"{100 * share:.1f}"
