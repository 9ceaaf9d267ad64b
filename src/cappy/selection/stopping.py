"""When to stop sampling: the calibrated confidence that more samples would not help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.temperature import sigmoid
from cappy.errors import InputError
from cappy.selection.selectors import Pool, best_place
from cappy.text.normalization import normalise

FEATURES = (
    "constant",
    "best score",
    "best above mean score",
    "share that says the same",
    "share of distinct texts",
    "samples so far, as a power of two",
)


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A logistic model of "the best response so far is as good as the best of all would be".

    `weights` [features] are for `features`; sampling stops when the model's probability reaches `threshold`, in (0, 1).
    """

    weights: tuple[float, ...]
    threshold: float = 0.8

    def confidence(self, pool: Pool) -> float:
        """Return the probability, in [0, 1], that more samples would not help."""
        return float(sigmoid(features(pool) @ np.array(self.weights)))

    def stops(self, pool: Pool) -> bool:
        """Return whether to stop."""
        return self.confidence(pool) >= self.threshold


def features(pool: Pool) -> NDArray[np.float64]:
    """Describe the samples so far [features]."""
    scores = np.array(pool.scores)
    said = [normalise(sample.text) for sample in pool.samples]
    best = best_place(pool)
    same = said.count(said[best]) / len(said)
    distinct = len(set(said)) / len(said)
    return np.array([1.0, scores[best], scores[best] - scores.mean(), same, distinct, np.log2(len(said))])


def fit_stopping_rule(
    pools: Sequence[Pool], qualities: Sequence[Sequence[float]], rounds: Sequence[int], threshold: float = 0.8
) -> StoppingRule:
    """Fit a rule on instructions whose samples' `qualities`, in [0, 1], are known (from references).

    After each number of samples in `rounds`, the default choice among those (`selectors.best_place`) is compared with
    the choice among all. The label is whether the latter is no better. Weights come from ridge-penalised logistic
    regression by Newton's method.

    Raises:
        InputError: no pool has more samples than the smallest round.

    """
    rows, labels = [], []
    for pool, quality in zip(pools, qualities, strict=True):
        final = quality[best_place(pool)]
        for count in rounds:
            if count < len(pool.samples):
                part = pool.first(count)
                rows.append(features(part))
                labels.append(final <= quality[best_place(part)])
    if not rows:
        raise InputError("a stopping rule needs instructions with more samples than one round.")
    return StoppingRule(tuple(map(float, logistic_regression(np.array(rows), np.array(labels)))), threshold)


def logistic_regression(
    inputs: NDArray[np.float64], labels: NDArray[np.bool_], ridge: float = 1.0, steps: int = 50
) -> NDArray[np.float64]:
    """Return the weights [features] that fit `labels` [rows] to `inputs` [rows, features].

    The first feature is the constant, which is not penalised.
    """
    weights = np.zeros(inputs.shape[1])
    penalty = np.full(inputs.shape[1], ridge)
    penalty[0] = 1e-6
    for _ in range(steps):
        chances = sigmoid(inputs @ weights)
        slope = inputs.T @ (labels - chances) - penalty * weights
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


DEFAULT_RULE = StoppingRule((-1.129, 2.301, -1.422, 0.933, -0.243, 0.769), threshold=0.9)
"""For cappy-base and `combined`: `python scripts/stopping_rule.py RUN --seed 0`; see docs/results/best-of-n.md."""
