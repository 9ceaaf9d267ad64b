"""The paper's table, computed from tasks' results: all systems, intervals, headroom, adaptive sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.boost import ROUND
from cappy.evaluation.bigbench.boosting import (
    SINGLE,
    Judged,
    by_decoding,
    by_selector,
    headroom_share,
    mean_interval,
    mean_over_tasks_interval,
    oracle,
)
from cappy.evaluation.bigbench.run import average, sample_order
from cappy.llm.model import Sample
from cappy.selection.selectors import Pool, best_place
from cappy.selection.stopping import StoppingRule, fit_stopping_rule

Array = NDArray[np.float64]

UNSCORED = ("longest", "shortest", "self-sum", "self-mean", "majority", "mbr")
SCORED = ("cappy", "cappy+agreement")
COMBINED = ("cappy-combined", "cappy-combined-short")
LEARNT = ("cappy-learnt", "cappy-adapted", "cappy-adapted+agreement")
COLUMNS = (*SINGLE, *UNSCORED, *SCORED, *COMBINED, *LEARNT, "oracle")
NAMES = {
    "beam": "beam search, 4",
    "sampling": "sampling",
    "temp": "temperature 0.9",
    "topk": "top-k 40",
    "topp": "nucleus 0.95",
    "longest": "the longest sample",
    "shortest": "the shortest sample",
    "self-sum": "self-score, sum",
    "self-mean": "self-score, mean",
    "majority": "majority vote",
    "mbr": "minimum Bayes risk",
    "cappy": "Cappy, zero-shot",
    "cappy+agreement": "Cappy, zero-shot, and agreement",
    "cappy-combined": "Cappy, combined (without examples)",
    "cappy-combined-short": "Cappy, combined-short (without examples)",
    "cappy-learnt": "Cappy, learnt to choose",
    "cappy-adapted": "Cappy, adapted",
    "cappy-adapted+agreement": "Cappy, adapted, and agreement",
    "oracle": "oracle: the best of all samples",
}
BASELINES = ("self-sum", "self-mean")
"""The paper's baselines; lifts are over the better of the two on average."""


@dataclass(frozen=True, slots=True)
class TaskScores:
    """A task's Rouge-L, in [0, 1], by system and validation example: column -> [examples]."""

    task: str
    columns: Mapping[str, Array]

    def mean(self, column: str) -> float:
        """Return a column's mean, ignoring NaN; NaN if all are."""
        known = _known(self.columns[column])
        return float(np.mean(known)) if len(known) else float("nan")


def task_scores(result: Mapping[str, Any]) -> TaskScores:
    """Compute the scores of all systems from a task's saved samples and values."""
    rows = [_row_scores(row) for row in result["rows"]]
    return TaskScores(result["task"], {name: np.array([row.get(name, np.nan) for row in rows]) for name in COLUMNS})


def _row_scores(row: Mapping[str, Any]) -> dict[str, float]:
    zero_shot = judged_row(row, "cappy")
    found = {**by_decoding(zero_shot), **by_selector(zero_shot, (*UNSCORED, *SCORED)), "oracle": oracle(zero_shot)}
    for name in (*COMBINED, "cappy-learnt"):
        if name in row:
            found[name] = by_selector(judged_row(row, name), ("cappy",))["cappy"]
    if "cappy-adapted" in row:
        chosen = by_selector(judged_row(row, "cappy-adapted"), SCORED)
        found |= {"cappy-adapted": chosen["cappy"], "cappy-adapted+agreement": chosen["cappy+agreement"]}
    return found


def judged_row(row: Mapping[str, Any], scores: str) -> Judged:
    """Rebuild an example's pool with the values called `scores`."""
    samples = tuple(Sample(**sample) for sample in row["samples"])
    return Judged(Pool("", samples, tuple(row[scores])), tuple(row["qualities"]))


def summary(tasks: Sequence[TaskScores], seed: int = 0) -> dict[str, Any]:
    """Return averages over tasks with intervals, lifts over the better self-score, and shares of the headroom."""
    means = {name: average([task.mean(name) for task in tasks]) for name in COLUMNS}
    intervals = {name: _bounds({task.task: task.columns[name] for task in tasks}, seed) for name in COLUMNS}
    # Without log-likelihoods there are no self-scores; plain sampling is the baseline then.
    candidates = [name for name in BASELINES if not np.isnan(means[name])] or ["sampling"]
    base = max(candidates, key=lambda name: means[name])
    lifts: dict[str, Any] = {}
    for name in (*SCORED, *COMBINED, *LEARNT):
        if np.isnan(means[name]):
            continue
        differences = {task.task: task.columns[name] - task.columns[base] for task in tasks}
        better, worse = _decided(differences, seed)
        lifts[name] = {
            "lift": average([float(np.mean(known)) for one in differences.values() if len(known := _known(one))]),
            "interval": _bounds(differences, seed),
            "headroom_share": headroom_share(means[name], means[base], means["oracle"]),
            "tasks_better": better,
            "tasks_worse": worse,
        }
    return {"tasks": len(tasks), "baseline": base, "means": means, "intervals": intervals, "lifts": lifts}


def share(value: float) -> str:
    """Format a share as percent; a dash for NaN."""
    return "—" if np.isnan(value) else f"{100 * value:.1f}%"


def measured(found: Mapping[str, Any]) -> list[str]:
    """Return the measured columns: a plan may lack a decoding, and a server may lack log-likelihoods."""
    return [name for name in COLUMNS if not np.isnan(found["means"][name])]


def _bounds(tasks: Mapping[str, Array], seed: int) -> tuple[float, float]:
    known = {name: there for name, values in tasks.items() if len(there := _known(values))}
    if not known:
        return float("nan"), float("nan")
    found = mean_over_tasks_interval(known, seed)
    return found.low, found.high


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]


def _decided(differences: Mapping[str, Array], seed: int) -> tuple[int, int]:
    """Count the tasks whose 95% interval lies above 0, and below 0."""
    known = {name: there for name, one in differences.items() if len(there := _known(one))}
    found = [mean_interval(values, seed, name) for name, values in known.items()]
    return sum(one.low > 0 for one in found), sum(one.high < 0 for one in found)


def can_be_adaptive(results: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether there are other tasks to fit a stopping rule on, and enough samples for two rounds."""
    rich = sum(bool(_rich(result["held_out"], "cappy")) for result in results)
    return rich > 1 and any(_rich(result["rows"], "cappy") for result in results)


def has_values(results: Sequence[Mapping[str, Any]], scores: str) -> bool:
    """Tell whether all rows have the values called `scores`, so that a stopping rule can be fitted."""
    return all(scores in row for result in results for row in (*result["rows"], *result["held_out"]))


def adaptive_summary(results: Sequence[Mapping[str, Any]], scores: str, threshold: float) -> dict[str, float]:
    """Simulate adaptive sampling in rounds of `ROUND` on each example's saved samples, without beam search.

    A task's rule is fitted on held-out training examples of the other tasks. Returns the mean quality of the choice
    among `all` samples, of the `adaptive` choice, of that among `half` of the samples, and the mean number of `samples`
    that the rule draws.
    """
    held = {result["task"]: _rich(result["held_out"], scores) for result in results}
    totals: dict[str, list[float]] = {"all": [], "adaptive": [], "half": [], "samples": []}
    for result in results:
        rule = fit_rule([judged for task, rows in held.items() if task != result["task"] for judged in rows], threshold)
        rows = [simulate(judged, rule) for judged in _rich(result["rows"], scores)]
        if not rows:
            continue
        for name, values in totals.items():
            values.append(float(np.mean([row[name] for row in rows])))
    return {name: average(values) for name, values in totals.items()}


def fit_rule(judged: Sequence[Judged], threshold: float) -> StoppingRule:
    """Fit a stopping rule on judged samples, for every round of sampling."""
    rounds = range(ROUND, max(len(one.qualities) for one in judged), ROUND)
    return fit_stopping_rule([one.pool for one in judged], [one.qualities for one in judged], rounds, threshold)


def _rich(rows: Sequence[Mapping[str, Any]], scores: str) -> list[Judged]:
    """Return the drawn samples of examples with more than one round of them."""
    found = [_drawn(row, scores) for row in rows]
    return [judged for judged in found if len(judged.qualities) > ROUND]


def _drawn(row: Mapping[str, Any], scores: str) -> Judged:
    """Return an example's samples, without beam search, in the order of an adaptive run."""
    judged = judged_row(row, scores)
    order = [i for i in sample_order(judged.pool.samples) if not judged.pool.samples[i].decoding.startswith("beam")]
    pool = Pool("", tuple(judged.pool.samples[i] for i in order), tuple(judged.pool.scores[i] for i in order))
    return Judged(pool, tuple(judged.qualities[i] for i in order))


def simulate(judged: Judged, rule: StoppingRule) -> dict[str, float]:
    """Return the number of `samples` a rule draws, and the quality of the `adaptive` choice, among `all` and `half`."""
    pool, total = judged.pool, len(judged.qualities)
    used = total
    for count in range(ROUND, total, ROUND):
        if rule.stops(pool.first(count)):
            used = count
            break
    counts = {"all": total, "adaptive": used, "half": max(1, total // 2)}
    best = {name: best_place(pool.first(count)) for name, count in counts.items()}
    return {"samples": float(used), **{name: judged.qualities[place] for name, place in best.items()}}
