"""One small model of all that is known of samples: Cappy's score, agreement among them, and length.

It was fitted on answers whose worth is known, and is noted in the checkpoint whose scores it weighs. Longer answers are
often better and often only longer: how much length may say beside the score is what the fit decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import CheckpointError

Floats = NDArray[np.float64]

FEATURES = ("score", "agreement", "length")
"""Cappy's score; mean Rouge-L with the others; the logarithm of one more than the words."""
OPEN_WORDS = 15
"""Answers to an instruction whose median has so many words or more are `open`, others `short`."""
KINDS = ("open", "short")


@dataclass(frozen=True, slots=True)
class Selection:
    """Weights of `FEATURES` for each of `KINDS`, in units of the score, whose own weight is 1."""

    weights: Mapping[str, tuple[float, ...]]

    def values(self, features: Floats, words: Floats) -> Floats:
        """Value samples [samples] by their features [samples, features] and words [samples]."""
        values: Floats = features @ np.array(self.weights[kind_of(words)])
        return values

    @classmethod
    def read(cls, noted: Any, where: str) -> Selection:
        """Read the weights noted in a checkpoint: an object of kinds, each a list of numbers.

        Raises:
            CheckpointError: they are none.

        """
        try:
            weights = {kind: tuple(map(float, noted[kind])) for kind in KINDS}
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{where}: the selection noted under 'cappy' cannot be read ({error}).") from error
        if any(len(one) != len(FEATURES) or not np.isfinite(one).all() for one in weights.values()):
            raise CheckpointError(
                f"{where}: the selection noted under 'cappy' must have {len(FEATURES)} numbers a kind."
            )
        return cls(weights)


def kind_of(words: Floats) -> str:
    """Tell the kind of an instruction by its answers' words [samples]."""
    return KINDS[0] if np.median(words) >= OPEN_WORDS else KINDS[1]


def describe(scores: Floats, agreement: Floats, words: Floats) -> Floats:
    """Return the features of samples [samples, features] from what is known of each [samples]."""
    return np.stack([scores, agreement, np.log1p(words)], axis=1)


def fit_weights(features: Sequence[Floats], worths: Sequence[Floats], ridge: float = 1.0) -> tuple[float, ...]:
    """Fit weights of features on instructions whose answers' worth is known, [samples, features] and [samples] each.

    A logistic model of which of two answers is better (Bradley and Terry, 1952), every instruction of the same weight
    and its pairs by how much their worth differs; features are scaled to one deviation for the ridge penalty. Weights
    are returned in units of the score's.

    Raises:
        ValueError: no answers differ in worth, or the score does not tell the better ones.

    """
    parts = [_differences(one, worth) for one, worth in zip(features, worths, strict=True)]
    inputs = np.concatenate([part[0] for part in parts])
    amounts = np.concatenate([part[1] for part in parts])
    if not len(inputs):
        raise ValueError("no two answers differ in worth")
    scale = np.maximum(inputs.std(axis=0), 1e-9)
    weights = _newton(inputs / scale, amounts, ridge) / scale
    if weights[0] <= 0:
        raise ValueError("the score does not tell better answers from worse")
    return tuple(float(weight) for weight in weights / weights[0])


def _differences(features: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """Return better less worse [pairs, features], and how much each pair counts [pairs], 1 together."""
    better, worse = np.nonzero(worth[:, None] > worth[None, :])
    amounts = worth[better] - worth[worse]
    return features[better] - features[worse], amounts / max(amounts.sum(), 1e-12)


def _newton(inputs: Floats, amounts: Floats, ridge: float, steps: int = 50) -> Floats:
    """Maximise the penalised likelihood that every row of inputs [pairs, features] is a better less a worse one."""
    weights = np.zeros(inputs.shape[1])
    for _ in range(steps):
        doubt = 1 / (1 + np.exp(inputs @ weights))
        slope = inputs.T @ (amounts * doubt) - ridge * weights
        curvature = (inputs * (amounts * doubt * (1 - doubt))[:, None]).T @ inputs + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return weights
