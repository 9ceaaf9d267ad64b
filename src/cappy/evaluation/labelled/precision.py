"""The cost of rounding: compare two scorers on the same labelled groups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cappy.evaluation.labelled.agreement import accuracy, mean_kendall, top1_agreement
from cappy.group import Group

if TYPE_CHECKING:
    from cappy.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two scorers on labelled groups.

    `top1_agreement`: the share of groups with the same top candidate. `kendall`: the mean of Kendall's tau-a over
    groups, in [-1, 1]. `largest_difference`, `median_difference`: of scores.
    """

    groups: int
    exact_accuracy: float
    rounded_accuracy: float
    top1_agreement: float
    kendall: float
    largest_difference: float
    median_difference: float
    speed_ratio: float


def compare(exact: Scorer, rounded: Scorer, groups: Sequence[Group]) -> Agreement:
    """Compare two scorers on `groups`."""
    seconds, scores = [], []
    for scorer in (exact, rounded):
        list(scorer.score_groups(groups[:64]))
        begun = time.perf_counter()
        scores.append([scored.scores for scored in scorer.score_groups(groups)])
        seconds.append(time.perf_counter() - begun)
    differences = np.concatenate([np.abs(np.subtract(one, other)) for one, other in zip(*scores, strict=True)])
    return Agreement(
        groups=len(groups),
        exact_accuracy=accuracy(groups, scores[0]),
        rounded_accuracy=accuracy(groups, scores[1]),
        top1_agreement=top1_agreement(*scores),
        kendall=mean_kendall(*scores),
        largest_difference=float(differences.max()),
        median_difference=float(np.median(differences)),
        speed_ratio=seconds[0] / seconds[1],
    )
