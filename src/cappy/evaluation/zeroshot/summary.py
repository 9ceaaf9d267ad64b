"""Compute metrics from predictions: by template, by task, and over tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, median

import numpy as np

from cappy.calibration.batch import batch_offsets, check_share
from cappy.evaluation.zeroshot.predictions import TaskPredictions, TemplatePredictions
from cappy.evaluation.zeroshot.runfolder import Run
from cappy.evaluation.zeroshot.tasks import TASKS
from cappy.metrics.bootstrap import Interval, average_interval, interval, resampled_means
from cappy.metrics.classification import (
    Bools,
    Floats,
    brier,
    calibration_bins,
    chosen,
    expected_calibration_error,
    hits,
    macro_f1,
    probabilities,
    true_places,
)

PAPER_TASKS = frozenset(task.name for task in TASKS if task.paper)


@dataclass(frozen=True, slots=True)
class TemplateFigures:
    """One template's metrics: shares in [0, 1], the Brier score in [0, 2], and whether scores were batch-calibrated.

    `majority`: the accuracy of always choosing the place that is right most often in these rows. `chance`: the exact
    expected accuracy of a random choice.
    """

    template: str
    groups: int
    accuracy: float
    macro_f1: float
    brier: float
    calibration_error: float
    majority: float
    chance: float
    batch_calibrated: bool


@dataclass(frozen=True, eq=False)
class TaskFigures:
    """A task's metrics; without templates if it could not be evaluated, and `notes` say why.

    `samples` [draws]: bootstrapped means over templates. `bins` [3, bins]: counts, summed confidences and summed hits
    by confidence over all templates.
    """

    task: str
    rows: int
    key: str
    templates: tuple[TemplateFigures, ...] = ()
    notes: tuple[str, ...] = ()
    samples: Floats = field(default_factory=lambda: np.empty(0))
    bins: Floats = field(default_factory=lambda: np.zeros((3, 0)))

    def __bool__(self) -> bool:
        """Tell whether there are results."""
        return bool(self.templates)

    @property
    def accuracies(self) -> list[float]:
        """Accuracy by template."""
        return [figures.accuracy for figures in self.templates]

    @property
    def mean(self) -> float:
        """Mean accuracy over templates."""
        return fmean(self.accuracies)

    @property
    def median(self) -> float:
        """Median accuracy over templates."""
        return median(self.accuracies)

    @property
    def worst(self) -> float:
        """The lowest accuracy of a template."""
        return min(self.accuracies)

    @property
    def best(self) -> float:
        """The highest accuracy of a template."""
        return max(self.accuracies)

    @property
    def interval(self) -> Interval:
        """Bootstrap interval of the mean accuracy."""
        return interval(self.samples)

    @property
    def macro_f1(self) -> float:
        """Mean macro-F1 over templates."""
        return fmean(figures.macro_f1 for figures in self.templates)

    @property
    def brier(self) -> float:
        """Mean Brier score over templates, in [0, 2]."""
        return fmean(figures.brier for figures in self.templates)

    @property
    def calibration_error(self) -> float:
        """Mean expected calibration error over templates."""
        return fmean(figures.calibration_error for figures in self.templates)

    @property
    def majority(self) -> float:
        """Mean accuracy over templates of the place that is right most often."""
        return fmean(figures.majority for figures in self.templates)

    @property
    def chance(self) -> float:
        """Mean expected accuracy over templates of a random choice."""
        return fmean(figures.chance for figures in self.templates)


@dataclass(frozen=True)
class Average:
    """Mean accuracy over `tasks` with its bootstrap interval, and that of the baselines."""

    tasks: tuple[str, ...]
    mean: float
    interval: Interval
    majority: float
    chance: float


@dataclass(frozen=True, eq=False)
class SystemFigures:
    """A system's metrics under one scoring rule, batch-calibrated or not."""

    system: str
    rule: str
    temperature: float
    tasks: tuple[TaskFigures, ...]
    batch_calibration: float = 0.0

    @property
    def name(self) -> str:
        """The system's name, with the scoring rule if it has several, and whether it is batch-calibrated."""
        parts = [self.system, *([] if self.rule == "score" else [self.rule])]
        if self.batch_calibration:
            share = "" if self.batch_calibration == 1 else f" {self.batch_calibration:g}"
            parts.append(f"batch-calibrated{share}")
        return ", ".join(parts)

    @cached_property
    def by_task(self) -> dict[str, TaskFigures]:
        """The tasks with results, by name."""
        return {task.task: task for task in self.tasks if task}

    def average(self, names: Sequence[str] | frozenset[str] | None = None) -> Average | None:
        """Return the average over the named tasks (default: all) that have results; None if there are none."""
        done = [task for task in self.by_task.values() if names is None or task.task in names]
        if not done:
            return None
        return Average(
            tuple(task.task for task in done),
            fmean(task.mean for task in done),
            average_interval([task.samples for task in done]),
            fmean(task.majority for task in done),
            fmean(task.chance for task in done),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """The lead of one system's average over another's, on tasks with the same questions for both."""

    tasks: int
    mean: float
    interval: Interval


def summarise(run: Run, seed: int = 0, batch_calibration: float = 0.0) -> list[SystemFigures]:
    """Return a run's metrics for each scoring rule, then the same batch-calibrated if requested.

    `batch_calibration`: see `task_figures`.
    """
    return [
        SystemFigures(
            run.system, rule, unit, tuple(task_figures(task, rule, unit, seed, share) for task in run.tasks), share
        )
        for share in dict.fromkeys((0.0, check_share(batch_calibration)))
        for rule, unit in run.temperatures.items()
    ]


def task_figures(
    task: TaskPredictions, rule: str, temperature: float, seed: int = 0, batch_calibration: float = 0.0
) -> TaskFigures:
    """Return a task's metrics under one scoring rule; `seed` determines the bootstrap.

    For templates with the same choices in every row, the share `batch_calibration` of each choice's mean score over the
    evaluated rows is subtracted. This uses no labels, but it uses the texts of other rows. The bootstrap does not
    recompute the offsets.
    """
    if not task.predictions:
        return TaskFigures(task.task, task.rows, task.key, notes=task.notes)
    right = np.full((task.rows, len(task.templates)), np.nan)
    figures, bins = [], []
    for column, part in enumerate(task.templates):
        scores, truth = part.scores[rule], part.truth
        calibrated = batch_calibration > 0 and part.constant
        if calibrated:
            scores = scores + batch_offsets(scores, batch_calibration)
        correct = hits(scores, truth)
        shares = probabilities(scores, temperature)
        right[list(part.rows), column] = correct
        figures.append(_template_figures(part, scores, shares, correct, calibrated))
        bins.append(np.stack(calibration_bins(shares.max(axis=1), correct)))
    samples = resampled_means(right, seed, task.task).mean(axis=1)
    return TaskFigures(task.task, task.rows, task.key, tuple(figures), task.notes, samples, np.sum(bins, axis=0))


def _template_figures(
    part: TemplatePredictions, scores: Floats, shares: Floats, correct: Bools, batch_calibrated: bool
) -> TemplateFigures:
    predicted, truth = chosen(scores), part.truth
    return TemplateFigures(
        template=part.template,
        groups=len(truth),
        accuracy=float(correct.mean()),
        macro_f1=macro_f1(predicted, true_places(predicted, truth)),
        brier=float(brier(shares, truth).mean()),
        calibration_error=expected_calibration_error(shares.max(axis=1), correct),
        majority=float(truth.mean(axis=0).max()),
        chance=float((truth.sum(axis=1) / np.isfinite(scores).sum(axis=1)).mean()),
        batch_calibrated=batch_calibrated,
    )


def difference(system: SystemFigures, other: SystemFigures, names: frozenset[str] | None = None) -> Difference | None:
    """Compare the averages of two systems over the named tasks (default: all).

    The bootstrap draws the same rows for both. None if no task has the same questions for both.
    """
    common = [
        (task, other.by_task[name])
        for name, task in system.by_task.items()
        if (names is None or name in names) and name in other.by_task and other.by_task[name].key == task.key
    ]
    if not common:
        return None
    return Difference(
        len(common),
        fmean(one.mean - two.mean for one, two in common),
        average_interval([one.samples - two.samples for one, two in common]),
    )
