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
) -> Tensor:
    """Squared error plus `listwise` and `pairwise` times those losses; what weighs nothing is not computed."""
    loss = regression_loss(scores, labels, group, groups)
    if listwise:
        loss = loss + listwise * listwise_loss(scores, labels, group, groups, temperature)
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
    logits = scores / temperature
    # A constant within a group changes nothing; taking the group's maximum away keeps exp in range.
    highest = torch.full((groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    shifted = logits - highest[group]
    log_normaliser = torch.log(torch.zeros(groups).index_add(0, group, shifted.exp()))
    log_share = shifted - log_normaliser[group]
    totals = torch.zeros(groups).index_add(0, group, labels)
    targets = labels / totals[group].clamp(min=1e-6)
    informative = (totals > 0).sum().clamp(min=1)
    return -(targets * log_share).sum() / informative


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
