"""Zero-shot accuracy over templates, as T0 reports it (Sanh et al., 2022, section 6)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.evaluation.tasks import Task, render_task, task_rows
from cappy.group import Group

ScoreGroups = Callable[[Sequence[Group]], Sequence[Sequence[float]]]
"""What is measured: groups in, the scores of each group's candidates out."""


@dataclass(frozen=True, slots=True)
class TemplateResult:
    """Accuracy under one template, in [0, 1]."""

    template: str
    groups: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A task's accuracies under its templates; `note` says why there are none."""

    task: str
    rows: int
    majority: float
    chance: float
    templates: tuple[TemplateResult, ...]
    note: str = ""

    @property
    def mean(self) -> float:
        """Mean accuracy over templates."""
        return fmean(result.accuracy for result in self.templates)

    def summary(self) -> dict[str, Any]:
        """Return the figures of the task's row in a report."""
        if not self.templates:
            return {"task": self.task, "rows": self.rows, "note": self.note}
        values = [result.accuracy for result in self.templates]
        figures = {"mean": self.mean, "median": median(values), "worst": min(values), "best": max(values)}
        own = {"task": self.task, "rows": self.rows, "templates": [asdict(result) for result in self.templates]}
        return {**own, **figures, "majority": self.majority, "chance": self.chance, "note": self.note}


def accuracy(groups: Sequence[Group], scores: Sequence[Sequence[float]]) -> float:
    """Share of groups whose best-scored candidate has a label over a half; ties go to the first."""
    hits = [(group.candidates[int(np.argmax(s))].label or 0) > 0.5 for group, s in zip(groups, scores, strict=True)]
    return float(np.mean(hits))


def majority_baseline(groups: Sequence[Group]) -> float:
    """Accuracy of always giving the place (of the choices) that is right most often."""
    right: Counter[int] = Counter()
    for group in groups:
        right[next(i for i, c in enumerate(group.candidates) if c.label)] += 1
    return right.most_common(1)[0][1] / len(groups)


def evaluate_task(
    task: Task, data: Path, templates: Path, score: ScoreGroups, limit: int | None = None, seed: int = 0
) -> TaskResult:
    """Measure one task; `limit` rows are drawn at random by `seed`, all are taken unless it is given."""
    rows = task_rows(task, data)
    if rows is None:
        return TaskResult(task.name, 0, 0.0, 0.0, (), f"no file {task.file} in the folder")
    if limit is not None and limit < len(rows):
        rows = random.Random(f"{seed}:{task.name}").sample(rows, limit)
    rendered = render_task(task, rows, templates)
    skipped = [f"template {part.template!r} skipped: {part.skipped}" for part in rendered if not part.groups]
    used = [part for part in rendered if part.groups]
    results = [TemplateResult(p.template, len(p.groups), accuracy(p.groups, score(p.groups))) for p in used]
    if not used:
        return TaskResult(task.name, len(rows), 0.0, 0.0, (), "; ".join(skipped))
    first = used[0].groups
    chance = fmean(1 / len(group.candidates) for group in first)
    return TaskResult(task.name, len(rows), majority_baseline(first), chance, tuple(results), "; ".join(skipped))


def cosine_scores(embed: Callable[[Sequence[str]], NDArray[Any]], groups: Sequence[Group]) -> list[list[float]]:
    """Score candidates by the cosine similarity of their embedding to the instruction's: the untrained baseline.

    `embed` turns texts into unit vectors [texts, width].
    """
    texts = list(dict.fromkeys(t for g in groups for t in (g.instruction, *(c.text for c in g.candidates))))
    vectors = dict(zip(texts, embed(texts), strict=True))
    return [[float(vectors[g.instruction] @ vectors[c.text]) for c in g.candidates] for g in groups]
