"""Development figures: what a scorer in training gets right on groups that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cappy.layout import Conventions
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import TrainingGroup, epoch_batches, pack_training


@torch.no_grad()
def score_training_groups(
    model: Encoder, groups: Sequence[TrainingGroup], conventions: Conventions, budget: int = 8000
) -> list[NDArray[np.float32]]:
    """Score every group's candidates: a list of [candidates] in the order of `groups`."""
    scores: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(groups)
    for batch in epoch_batches(groups, budget, 0, 0):
        packed, _, _ = pack_training([groups[i] for i in batch], conventions)
        flat = model(packed).float().cpu().numpy()
        for index, part in zip(batch, np.split(flat, np.cumsum(packed.per_prefix)[:-1]), strict=True):
            scores[index] = part
    return scores


def accuracy_by_task(groups: Sequence[TrainingGroup], scores: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Share of groups whose best-scored candidate is right, by task."""
    hits: dict[str, list[bool]] = {}
    for group, values in zip(groups, scores, strict=True):
        hits.setdefault(group.task, []).append(bool(group.labels[int(np.argmax(values))] > 0.5))
    return {task: float(np.mean(values)) for task, values in sorted(hits.items())}


def development_figures(model: Encoder, groups: Sequence[TrainingGroup], conventions: Conventions) -> dict[str, Any]:
    """Measure accuracy over all groups, its mean over tasks, and the mean squared error."""
    scores = score_training_groups(model, groups, conventions)
    by_task = accuracy_by_task(groups, scores)
    hits = [group.labels[int(np.argmax(values))] > 0.5 for group, values in zip(groups, scores, strict=True)]
    errors = [np.mean((group.labels - values) ** 2) for group, values in zip(groups, scores, strict=True)]
    figures = {
        "groups": len(groups),
        "accuracy": float(np.mean(hits)),
        "mean_over_tasks": float(np.mean(list(by_task.values()))),
    }
    return {**figures, "squared_error": float(np.mean(errors)), "by_task": by_task}


def describe(figures: Mapping[str, Any]) -> str:
    """Say development figures on one line."""
    return (
        f"development accuracy {figures['accuracy']:.4f} on {figures['groups']} groups, "
        f"{figures['mean_over_tasks']:.4f} on average over tasks, squared error {figures['squared_error']:.4f}"
    )
