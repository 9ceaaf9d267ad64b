"""Losses over the scores of labelled groups. All take flat scores and labels [candidates]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Totals:
    """Denominators of a batch's losses: all groups, and those that count in the listwise and the pairwise loss.

    They depend on labels only, so they are known before any part of the batch is computed, and the losses of the parts
    add up to that of the batch.
    """

    groups: int
    listwise: int
    pairwise: int

    @classmethod
    def of(cls, labels: Sequence[NDArray[np.float32]], graded: Sequence[bool] | None = None) -> Totals:
        """Count the groups of a batch; `labels`: [candidates] per group; `graded`: whether they are degrees."""
        degrees = graded if graded is not None else [False] * len(labels)
        listwise = sum(degree or float(one.sum()) > 0 for one, degree in zip(labels, degrees, strict=True))
        return cls(len(labels), listwise, sum(float(one.max()) > float(one.min()) for one in labels))


def training_loss(
    scores: Tensor,
    labels: Tensor,
    group: Tensor,
    groups: int,
    *,
    listwise: float,
    pairwise: float = 0.0,
    temperature: float = 1.0,
    graded: Tensor | None = None,
    graded_listwise: float = 0.0,
    totals: Totals | None = None,
) -> Tensor:
    """Return squared error plus the listwise and pairwise losses with these weights; losses of weight 0 are skipped.

    With the `totals` of a batch, return a part's contribution to the loss of the whole batch. `graded` [groups] marks
    groups whose labels are degrees; their listwise loss is `graded_listwise_loss` with weight `graded_listwise`.
    """
    loss = regression_loss(scores, labels, group, groups)
    if totals:
        loss = loss * (groups / totals.groups)
    if graded is None:
        graded = torch.zeros(groups, dtype=torch.bool, device=scores.device)
    if listwise or graded_listwise:
        plain, informative = _listwise(scores, _shares(labels, group, groups), group, groups, temperature)
        degrees, _ = _listwise(scores, _softmax(labels, group, groups, temperature), group, groups, temperature)
        weights = torch.where(graded, graded_listwise, listwise * informative)
        counted = (graded | informative).sum().clamp(min=1) if totals is None else max(1, totals.listwise)
        loss = loss + (weights * torch.where(graded, degrees, plain)).sum() / counted
    if pairwise:
        lost, telling = _pairwise(scores, labels, group, groups, temperature)
        loss = loss + pairwise * lost / (telling.clamp(min=1) if totals is None else max(1, totals.pairwise))
    return loss


def regression_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int) -> Tensor:
    """Return the mean squared error against labels in [0, 1] (Tan et al., 2023, section 3.2).

    It is averaged within each group first, so that large groups weigh no more than small ones. `group` [candidates]:
    the number of each candidate's group, below `groups`.
    """
    squared = (scores - labels) ** 2
    sums = scores.new_zeros(groups).index_add(0, group, squared)
    counts = scores.new_zeros(groups).index_add(0, group, torch.ones_like(squared))
    return (sums / counts.clamp(min=1)).mean()


def listwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Return the cross-entropy of labels and a softmax of scores within each group (ListNet, Cao et al., 2007).

    Labels are normalised to sum to 1 in each group; groups whose labels are all 0 are ignored.
    """
    losses, informative = _listwise(scores, _shares(labels, group, groups), group, groups, temperature)
    return losses.sum() / informative.sum().clamp(min=1)


def graded_listwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Return the mean cross-entropy of a softmax of the labels and one of the scores, both at `temperature`.

    It is for labels that are degrees (Rouge-L of samples, judged answers), whose normalised shares hardly differ. The
    loss is least if scores differ exactly as labels do, so groups of equal labels count too.
    """
    targets = _softmax(labels, group, groups, temperature)
    return _listwise(scores, targets, group, groups, temperature)[0].sum() / groups


def _listwise(scores: Tensor, targets: Tensor, group: Tensor, groups: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of every group [groups], and which groups have non-zero targets [groups]."""
    log_share = _log_softmax(scores, group, groups, temperature)
    losses = scores.new_zeros(groups).index_add(0, group, -targets * log_share)
    return losses, scores.new_zeros(groups).index_add(0, group, targets) > 0


def _shares(labels: Tensor, group: Tensor, groups: int) -> Tensor:
    totals = labels.new_zeros(groups).index_add(0, group, labels)
    return labels / totals[group].clamp(min=1e-6)


def _softmax(labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    return _log_softmax(labels, group, groups, temperature).exp()


def _log_softmax(values: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Return the logarithm of the softmax within each group of values / temperature [candidates]."""
    logits = values / temperature
    # A constant within a group changes nothing; subtracting the group's maximum keeps exp in range.
    highest = values.new_full((groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    return shifted - torch.log(values.new_zeros(groups).index_add(0, group, shifted.exp()))[group]


def pairwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Return the logistic loss of pairs in a group, weighted by label difference (RankNet, Burges et al., 2005).

    It is averaged within each group, then over the groups that have different labels.
    """
    lost, telling = _pairwise(scores, labels, group, groups, temperature)
    return lost / telling.clamp(min=1)


def _pairwise(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the pairwise loss summed over groups, and the number of groups that have different labels."""
    same = group[:, None] == group[None, :]
    better = (labels[:, None] - labels[None, :]).clamp(min=0) * same
    lost = torch.nn.functional.softplus((scores[None, :] - scores[:, None]) / temperature) * better
    sums = scores.new_zeros(groups).index_add(0, group, lost.sum(1))
    weights = scores.new_zeros(groups).index_add(0, group, better.sum(1))
    return (sums / weights.clamp(min=1e-6)).sum(), (weights > 0).sum()
