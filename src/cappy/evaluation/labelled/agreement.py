"""Accuracy on labelled groups, and rank agreement of two scorers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cappy.group import Group

Scores = Sequence[Sequence[float]]
"""Scores by group, [groups][candidates]."""


def accuracy(groups: Sequence[Group], scores: Scores) -> float:
    """Return the share of groups whose top candidate is right."""
    return float(np.mean(group_hits(groups, scores)))


def group_hits(groups: Sequence[Group], scores: Scores) -> NDArray[np.float64]:
    """Return 1 for each group whose top candidate is right, else 0: [groups]; ties go to the first candidate."""
    chosen = [group.candidates[int(np.argmax(one))] for group, one in zip(groups, scores, strict=True)]
    return np.array([candidate.is_right for candidate in chosen], dtype=np.float64)


def top1_agreement(one: Scores, other: Scores) -> float:
    """Return the share of groups with the same top candidate in both; ties go to the first."""
    return float(np.mean([np.argmax(a) == np.argmax(b) for a, b in zip(one, other, strict=True)]))


def mean_kendall(one: Scores, other: Scores) -> float:
    """Return the mean of Kendall's tau-a over groups with at least two candidates."""
    return float(np.mean([kendall(a, b) for a, b in zip(one, other, strict=True) if len(a) > 1]))


def kendall(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Kendall's tau-a of two score lists: concordant minus discordant pairs, over all pairs."""
    first = np.sign(np.subtract.outer(one, one))
    second = np.sign(np.subtract.outer(other, other))
    return float((first * second).sum() / (len(one) * (len(one) - 1)))
