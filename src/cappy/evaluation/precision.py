"""What rounding costs: two scorers over the same labelled groups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cappy.group import Candidate, Group

if TYPE_CHECKING:
    from cappy.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two scorers agree on labelled groups.

    `same_best`: share of groups with the same best candidate; `kendall`: mean over groups of Kendall's
    tau-a between the two orders, in [-1, 1]; `largest`, `typical`: the largest and the median difference of scores.
    """

    groups: int
    exact_accuracy: float
    rounded_accuracy: float
    same_best: float
    kendall: float
    largest: float
    typical: float
    speed_ratio: float


def compare(exact: Scorer, rounded: Scorer, groups: Sequence[Group]) -> Agreement:
    """Score `groups` with both scorers and compare."""
    seconds, scores = [], []
    for scorer in (exact, rounded):
        list(scorer.score_groups(groups[:64]))
        begun = time.perf_counter()
        scores.append([scored.scores for scored in scorer.score_groups(groups)])
        seconds.append(time.perf_counter() - begun)
    pairs = list(zip(*scores, strict=True))
    differences = np.concatenate([np.abs(np.subtract(one, other)) for one, other in pairs])
    return Agreement(
        groups=len(groups),
        exact_accuracy=accuracy(groups, scores[0]),
        rounded_accuracy=accuracy(groups, scores[1]),
        same_best=float(np.mean([np.argmax(one) == np.argmax(other) for one, other in pairs])),
        kendall=float(np.mean([kendall(one, other) for one, other in pairs if len(one) > 1])),
        largest=float(differences.max()),
        typical=float(np.median(differences)),
        speed_ratio=seconds[0] / seconds[1],
    )


def accuracy(groups: Sequence[Group], scores: Sequence[Sequence[float]]) -> float:
    """Share of groups whose best-scored candidate is right."""
    return float(np.mean(hits(groups, scores)))


def hits(groups: Sequence[Group], scores: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Tell for each group whether its best-scored candidate is right [groups], as 0 or 1; ties go to the first."""
    chosen = [group.candidates[int(np.argmax(s))] for group, s in zip(groups, scores, strict=True)]
    return np.array([is_right(candidate) for candidate in chosen], dtype=np.float64)


def is_right(candidate: Candidate) -> bool:
    """Tell whether a candidate's label is over a half."""
    return (candidate.label or 0.0) > 0.5


def kendall(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Kendall's tau-a of two score lists: concordant minus discordant pairs, over all pairs."""
    first = np.sign(np.subtract.outer(one, one))
    second = np.sign(np.subtract.outer(other, other))
    return float((first * second).sum() / (len(one) * (len(one) - 1)))
