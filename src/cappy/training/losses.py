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
    """What the parts of a loss are averaged over: a batch's groups, those that listwise and pairwise losses count.

    They follow from the labels, so parts of a batch know them without each other: their losses add up to the batch's.
    """

    groups: int
    listwise: int
    pairwise: int

    @classmethod
    def of(cls, labels: Sequence[NDArray[np.float32]], graded: Sequence[bool] | None = None) -> Totals:
        """Count the groups of a batch by their labels, [candidates] each, and whether those are degrees."""
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
    """Squared error plus `listwise` and `pairwise` times those losses; what weighs nothing is not computed.

    With the `totals` of a batch this is the share that its part adds to the loss of the whole.

    `graded` [groups] marks groups whose labels are degrees. Their listwise loss is `graded_listwise_loss`, weighted by
    `graded_listwise` instead of `listwise`.
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
    """Mean squared error against labels in [0, 1] (Tan et al., 2023, section 3.2), averaged within each group first.

    A group of many candidates then weighs as much as one of two.

    `group` [candidates] tells which of `groups` groups a candidate belongs to.
    """
    squared = (scores - labels) ** 2
    sums = scores.new_zeros(groups).index_add(0, group, squared)
    counts = scores.new_zeros(groups).index_add(0, group, torch.ones_like(squared))
    return (sums / counts.clamp(min=1)).mean()


def listwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Cross-entropy between the labels and a softmax of the scores within each group (ListNet, Cao et al., 2007).

    Labels are normalised to sum to 1 in each group; a group whose labels are all 0 counts nothing.
    """
    losses, informative = _listwise(scores, _shares(labels, group, groups), group, groups, temperature)
    return losses.sum() / informative.sum().clamp(min=1)


def graded_listwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Cross-entropy between a softmax of the labels and one of the scores, both at `temperature`; mean over groups.

    For labels that are degrees (Rouge-L of samples, judged answers): 0.9 beside 0.8 is better, not a tenth of a share
    better. The loss is least where all scores differ as the labels do, so a group of equal labels teaches that too.
    """
    targets = _softmax(labels, group, groups, temperature)
    return _listwise(scores, targets, group, groups, temperature)[0].sum() / groups


def _listwise(scores: Tensor, targets: Tensor, group: Tensor, groups: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of every group [groups], and which groups have targets at all [groups]."""
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
    """Logistic loss of every pair of a group whose labels differ, weighed by how much (RankNet, Burges et al., 2005).

    Averaged within each group, then over the groups that hold such a pair.
    """
    lost, telling = _pairwise(scores, labels, group, groups, temperature)
    return lost / telling.clamp(min=1)


def _pairwise(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the sum over groups of the pairwise loss, and how many groups hold a pair that counts."""
    same = group[:, None] == group[None, :]
    better = (labels[:, None] - labels[None, :]).clamp(min=0) * same
    lost = torch.nn.functional.softplus((scores[None, :] - scores[:, None]) / temperature) * better
    sums = scores.new_zeros(groups).index_add(0, group, lost.sum(1))
    weights = scores.new_zeros(groups).index_add(0, group, better.sum(1))
    return (sums / weights.clamp(min=1e-6)).sum(), (weights > 0).sum()
