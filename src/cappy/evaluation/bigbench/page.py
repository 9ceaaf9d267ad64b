"""Results on BIG-Bench as one self-contained HTML page with plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cappy.evaluation.bigbench.table import NAMES, TaskScores, measured, share
from cappy.evaluation.formats import percent
from cappy.files.html import render


def html(tasks: Sequence[TaskScores], found: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Render the page from the same values as the Markdown report.

    Raises:
        MissingExtraError: jinja2 is not installed.

    """
    widest = 1.1 * max(found["intervals"][name][1] for name in measured(found))
    baseline, best = found["baseline"], max(found["lifts"], key=lambda name: found["means"][name])
    values = {
        "title": f"{facts['llm']} on BIG-Bench, boosted by {facts['scorer']}",
        "lead": f"{found['tasks']} generative tasks. Profile {facts['profile']}.",
        "bars": [_bar(name, found, widest) for name in measured(found)],
        "marks": _marks(widest),
        "task_marks": [{"x": place / 100, "name": place} for place in range(0, 101, 20)],
        "baseline": NAMES[baseline],
        "chosen": NAMES[best],
        "lifts": [_lift(name, lift) for name, lift in found["lifts"].items()],
        "adaptive": [_adaptive(name, values) for name, values in facts.get("adaptive", {}).items()],
        "tasks": [_task(task, baseline, best) for task in tasks],
        "facts": {key: value for key, value in facts.items() if key != "adaptive"},
    }
    return render("cappy.evaluation.bigbench", values)


def _bar(name: str, found: Mapping[str, Any], widest: float) -> dict[str, Any]:
    value, (low, high) = found["means"][name], found["intervals"][name]
    kind = "oracle" if name == "oracle" else "cappy" if name.startswith("cappy") else "plain"
    places = {"x": value / widest, "x_low": low / widest, "x_high": high / widest}
    return {
        "name": NAMES[name],
        "kind": kind,
        "value": percent(value),
        "low": percent(low),
        "high": percent(high),
        **places,
    }


def _marks(widest: float) -> list[dict[str, Any]]:
    """Return axis marks at every ten percent, or five on a short axis."""
    step = 0.1 if widest > 0.4 else 0.05
    return [{"x": place * step / widest, "name": round(100 * place * step)} for place in range(int(widest / step) + 1)]


def _lift(name: str, lift: Mapping[str, Any]) -> dict[str, Any]:
    low, high = lift["interval"]
    interval = f"{100 * low:+.1f} to {100 * high:+.1f}"
    own = {"name": NAMES[name], "lift": f"{100 * lift['lift']:+.1f}", "interval": interval}
    return {
        **own,
        "share": share(lift["headroom_share"]),
        "better": lift["tasks_better"],
        "worse": lift["tasks_worse"],
    }


def _adaptive(name: str, values: Mapping[str, float]) -> dict[str, Any]:
    shown = {key: percent(values[key]) for key in ("adaptive", "all", "half")}
    return {"name": name, "samples": f"{values['samples']:.1f}", **shown}


def _task(task: TaskScores, baseline: str, best: str) -> dict[str, Any]:
    values = {"base": task.mean(baseline), "cappy": task.mean(best), "oracle": task.mean("oracle")}
    return {"name": task.task, **{key: round(100 * value, 1) for key, value in values.items()}}
