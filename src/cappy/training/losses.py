"""Losses over the scores of labelled groups. All take flat scores and labels [candidates]."""

from __future__ import annotations

import torch
from torch import Tensor


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
) -> Tensor:
    """Squared error plus `listwise` and `pairwise` times those losses; what weighs nothing is not computed.

    `graded` [groups] marks groups whose labels are degrees. Their listwise loss is `graded_listwise_loss`, weighted by
    `graded_listwise` instead of `listwise`.
    """
    loss = regression_loss(scores, labels, group, groups)
    if graded is None:
        graded = torch.zeros(groups, dtype=torch.bool)
    if listwise or graded_listwise:
        plain, informative = _listwise(scores, _shares(labels, group, groups), group, groups, temperature)
        degrees, _ = _listwise(scores, _softmax(labels, group, groups, temperature), group, groups, temperature)
        weights = torch.where(graded, graded_listwise, listwise * informative)
        loss = loss + (weights * torch.where(graded, degrees, plain)).sum() / (graded | informative).sum().clamp(min=1)
    if pairwise:
        loss = loss + pairwise * pairwise_loss(scores, labels, group, groups, temperature)
    return loss


def regression_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int) -> Tensor:
    """Mean squared error against labels in [0, 1] (Tan et al., 2023, section 3.2), averaged within each group first.

    A group of many candidates then weighs as much as one of two.

    `group` [candidates] tells which of `groups` groups a candidate belongs to.
    """
    squared = (scores - labels) ** 2
    sums = torch.zeros(groups).index_add(0, group, squared)
    counts = torch.zeros(groups).index_add(0, group, torch.ones_like(squared))
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
    losses = torch.zeros(groups).index_add(0, group, -targets * log_share)
    return losses, torch.zeros(groups).index_add(0, group, targets) > 0


def _shares(labels: Tensor, group: Tensor, groups: int) -> Tensor:
    totals = torch.zeros(groups).index_add(0, group, labels)
    return labels / totals[group].clamp(min=1e-6)


def _softmax(labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    return _log_softmax(labels, group, groups, temperature).exp()


def _log_softmax(values: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Return the logarithm of the softmax within each group of values / temperature [candidates]."""
    logits = values / temperature
    # A constant within a group changes nothing; subtracting the group's maximum keeps exp in range.
    highest = torch.full((groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    return shifted - torch.log(torch.zeros(groups).index_add(0, group, shifted.exp()))[group]


def pairwise_loss(scores: Tensor, labels: Tensor, group: Tensor, groups: int, temperature: float) -> Tensor:
    """Logistic loss of every pair of a group whose labels differ, weighed by how much (RankNet, Burges et al., 2005).

    Averaged within each group, then over the groups that hold such a pair.
    """
    same = group[:, None] == group[None, :]
    better = (labels[:, None] - labels[None, :]).clamp(min=0) * same
    lost = torch.nn.functional.softplus((scores[None, :] - scores[:, None]) / temperature) * better
    sums = torch.zeros(groups).index_add(0, group, lost.sum(1))
    weights = torch.zeros(groups).index_add(0, group, better.sum(1))
    informative = (weights > 0).sum().clamp(min=1)
    return (sums / weights.clamp(min=1e-6)).sum() / informative
