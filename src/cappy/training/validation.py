"""Development metrics: how well a scorer in training does on held-out groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cappy.errors import CheckpointError, InputError
from cappy.layout.encode import Conventions
from cappy.layout.pack import Batch
from cappy.metrics import preferences as answers
from cappy.training.batches import TrainingGroup, pack_training
from cappy.training.epochs import epoch_batches
from cappy.training.processes import Processes

Model = Callable[[Batch], Tensor]
"""A packed batch to its scores [segments]."""


@torch.no_grad()
def score_training_groups(
    model: Model,
    groups: Sequence[TrainingGroup],
    conventions: Conventions,
    budget: int = 8000,
    processes: Processes | None = None,
) -> list[NDArray[np.float32]]:
    """Score every group's candidates: a list of [candidates] in the order of `groups`.

    Each process scores a share of the groups and receives all scores.
    """
    among = processes or Processes()
    batches = epoch_batches(groups, budget, 0, 0)
    mine = list(batches[among.rank :: among.world])
    # All processes gather sharded weights together, so one with fewer batches scores a batch twice.
    mine += batches[: math.ceil(len(batches) / among.world) - len(mine)]
    found: dict[int, NDArray[np.float32]] = {}
    for batch in mine:
        packed, _, _ = pack_training([groups[i] for i in batch], conventions)
        flat = model(packed).float().cpu().numpy()
        found |= zip(batch, np.split(flat, np.cumsum(packed.per_prefix)[:-1]), strict=True)
    scores = {index: values for part in among.gathered(found) for index, values in part.items()}
    return [scores[index] for index in range(len(groups))]


def development_figures(
    model: Model, groups: Sequence[TrainingGroup], conventions: Conventions, processes: Processes | None = None
) -> dict[str, Any]:
    """Score `groups` and return their `figures`."""
    return figures(groups, score_training_groups(model, groups, conventions, processes=processes))


def figures(groups: Sequence[TrainingGroup], scores: Sequence[NDArray[np.float32]]) -> dict[str, Any]:
    """Measure accuracy over groups, by task and averaged over tasks, mean squared error, and pair order.

    `scores` has an array [candidates] for each group. A group is a hit if its top candidate is right; ties at the top
    count as the fraction of tied candidates that are right. Squared errors are averaged within groups first.
    `pair_order` is its mean over groups, in [0, 1]; None if no group has different labels.

    Raises:
        InputError: there are no groups.
        CheckpointError: a score is not finite.

    """
    if not groups:
        raise InputError("there are no groups to measure.")
    hits: dict[str, list[float]] = {}
    errors: list[float] = []
    orders = [
        order
        for group, values in zip(groups, scores, strict=True)
        if (order := pair_order(values, group.labels)) is not None
    ]
    for group, values in zip(groups, scores, strict=True):
        if not np.isfinite(values).all():
            raise CheckpointError(f"the model's scores are not finite, for example for a group of task {group.task!r}.")
        hits.setdefault(group.task, []).append(float(np.mean(group.labels[values == values.max()] > 0.5)))
        errors.append(float(np.mean((group.labels - values) ** 2)))
    by_task = {task: float(np.mean(found)) for task, found in sorted(hits.items())}
    return {
        "groups": len(groups),
        "accuracy": float(np.mean([hit for found in hits.values() for hit in found])),
        "mean_over_tasks": float(np.mean(list(by_task.values()))),
        "squared_error": float(np.mean(errors)),
        "pair_order": float(np.mean(orders)) if orders else None,
        "by_task": by_task,
    }


def pair_order(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> float | None:
    """Return the share of pairs with different labels that the scores [candidates] order correctly; ties count half.

    None if all labels are equal.
    """
    order = answers.pair_order(scores.astype(np.float64), labels.astype(np.float64))
    return None if math.isnan(order) else order


def describe(found: Mapping[str, Any]) -> str:
    """Describe development metrics in one line, with an average over tasks if there are several."""
    tasks = f", {found['mean_over_tasks']:.4f} on average over tasks" if len(found["by_task"]) > 1 else ""
    order = found.get("pair_order")
    pairs = "" if order is None else f", {order:.4f} of pairs in the right order"
    return (
        f"accuracy {found['accuracy']:.4f} on {found['groups']} held-out groups{tasks}, "
        f"squared error {found['squared_error']:.4f}{pairs}"
    )
