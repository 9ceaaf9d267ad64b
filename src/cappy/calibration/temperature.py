"""The temperature that turns scores into probabilities: softmax(score / temperature) over the choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cappy.errors import InputError

TEMPERATURE = 0.15
"""The default if none was fitted. Scores lie in about [0, 1]; training compares choices at this temperature."""
_BOUNDS = (0.005, 5.0)
_STEPS = 60


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-logits)), in [0, 1]."""
    found: NDArray[Any] = 0.5 * (1 + np.tanh(logits / 2))
    return found


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax of each row: [texts, classes] to [texts, classes]; rows sum to 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return shares


def fit_temperature(scores: Sequence[ArrayLike], labels: Sequence[ArrayLike]) -> float:
    """Fit the temperature that makes the right choices of labelled groups most likely (Guo et al., 2017).

    `scores` and `labels` have an array [choices] for each group; labels above 0.5 are right. The fit minimises the mean
    cross-entropy of softmax(scores / temperature) and the right choices, which share the weight of a group equally. The
    objective is convex in 1 / temperature. Groups without both right and wrong choices are skipped. The result lies in
    [0.005, 5].

    Raises:
        InputError: no group has both a right and a wrong choice.

    """
    rows = [
        (values, right)
        for score, label in zip(scores, labels, strict=True)
        for values, right in [(np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.float64) > 0.5)]
        if 0 < right.sum() < len(right)
    ]
    if not rows:
        raise InputError("no group has both a right and a wrong choice, so no temperature can be fitted.")
    most = max(len(values) for values, _ in rows)
    below = np.full((len(rows), most), -np.inf)  # how far each choice is below its group's best
    right_below = np.empty(len(rows))
    for row, (values, right) in enumerate(rows):
        below[row, : len(values)] = values - values.max()
        right_below[row] = below[row, : len(values)][right].mean()

    def loss(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        return float((np.log(np.exp(below * inverse).sum(axis=1)) - right_below * inverse).mean())

    low, high = np.log(_BOUNDS)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(_STEPS):  # golden section
        lower, upper = high - ratio * (high - low), low + ratio * (high - low)
        if loss(lower) < loss(upper):
            high = upper
        else:
            low = lower
    return float(np.exp((low + high) / 2))
