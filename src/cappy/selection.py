"""One small model of all that is known of samples: Cappy's score, agreement among them, length, and repetition.

It was fitted on answers whose worth is known, and is noted in the checkpoint whose scores it weighs. Longer answers are
often better, and often only longer. So the score has a veto: an answer that it puts well below the best is not chosen,
however much it says, and the rest decides among the others alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import CheckpointError

Floats = NDArray[np.float64]

FEATURES = ("score", "agreement", "different words", "repetition")
"""Cappy's score; mean Rouge-L with the others; the logarithm of one more than the different words; the share of runs of
three words that stood before."""
KINDS = ("open", "short")
"""Instructions that people judge answers to by how much they help, and those with a short right answer."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Weighing:
    """Weights of `FEATURES`, in units of the score, whose own is 1, and how far below the best score is vetoed."""

    weights: tuple[float, ...]
    margin: float

    def values(self, features: Floats) -> Floats:
        """Value samples [samples] by their features [samples, features]; vetoed ones stand behind, by their score."""
        scores = features[:, 0]
        vetoed = scores < scores.max() - self.margin
        values: Floats = features @ np.array(self.weights)
        behind = values[~vetoed].min() - (scores.max() - scores)
        return np.where(vetoed, behind, values)


@dataclass(frozen=True, slots=True)
class Selection:
    """How the samples of each of `KINDS` are weighed."""

    kinds: Mapping[str, Weighing]

    @classmethod
    def read(cls, noted: Any, where: str) -> Selection:
        """Read what is noted in a checkpoint: for every kind an object of `weights` (numbers) and a `margin`.

        Raises:
            CheckpointError: it cannot be read.

        """
        try:
            kinds = {
                kind: Weighing(tuple(map(float, noted[kind]["weights"])), float(noted[kind]["margin"]))
                for kind in KINDS
            }
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{where}: the selection noted under 'cappy' cannot be read ({error}).") from error
        for one in kinds.values():
            if len(one.weights) != len(FEATURES) or not np.isfinite([*one.weights, one.margin]).all() or one.margin < 0:
                raise CheckpointError(
                    f"{where}: the selection noted under 'cappy' must have {len(FEATURES)} weights and a margin from 0."
                )
        return cls(kinds)


def describe(scores: Floats, agreement: Floats, texts: Sequence[str]) -> Floats:
    """Return the features of samples [samples, features] from scores and agreement [samples] and their texts."""
    words = [_WORD.findall(text.lower()) for text in texts]
    different = [np.log1p(len(set(one))) for one in words]
    return np.stack([scores, agreement, different, [repetition(one) for one in words]], axis=1)


def repetition(words: Sequence[str]) -> float:
    """Return the share of runs of three words that stood before, in [0, 1)."""
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


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
