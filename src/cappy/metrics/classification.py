"""Accuracy, macro-F1, Brier score and calibration error, over arrays of choices padded to one width.

A choice is identified by its place in the list: "entailment" first, "option 2" second. Rows with fewer choices are
padded with a score of minus infinity, which has probability 0 and is never right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.temperature import softmax

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

CALIBRATION_BINS = 15
"""Bins of equal width for the calibration error, as in Guo et al. (2017, arXiv 1706.04599)."""


def padded(scores: Sequence[Sequence[float]]) -> Floats:
    """Return scores as an array [rows, most choices], padded with minus infinity."""
    wide = np.full((len(scores), max(map(len, scores), default=0)), -np.inf)
    for row, values in enumerate(scores):
        wide[row, : len(values)] = values
    return wide


def right_choices(right: Sequence[Sequence[int]], width: int) -> Bools:
    """Return [rows, width], true for the right choices of each row."""
    truth = np.zeros((len(right), width), dtype=bool)
    for row, places in enumerate(right):
        truth[row, list(places)] = True
    return truth


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Return softmax(scores / temperature) over the choices [rows, choices]; rows sum to 1.

    Scores may be regression outputs, cosines or log-likelihoods; the temperature is their unit, fixed before the
    evaluation.
    """
    return softmax(scores / temperature)


def chosen(scores: Floats) -> Ints:
    """Return the place of each row's best choice [rows]; ties go to the first."""
    places: Ints = scores.argmax(axis=1)
    return places


def hits(scores: Floats, truth: Bools) -> Bools:
    """Return whether each row's best choice is right [rows]."""
    return np.asarray(truth[np.arange(len(truth)), chosen(scores)])


def true_places(predicted: Ints, truth: Bools) -> Ints:
    """Return each row's right place [rows]; of several, the predicted one if it is right, else the first."""
    right = truth[np.arange(len(truth)), predicted]
    return np.where(right, predicted, truth.argmax(axis=1))


def macro_f1(predicted: Ints, actual: Ints) -> float:
    """Return the mean F1, in [0, 1], over the places that are right for some row.

    A place that is right but never chosen counts 0.
    """
    scores = []
    for place in np.unique(actual):
        both = np.sum((predicted == place) & (actual == place))
        scores.append(2 * both / (np.sum(predicted == place) + np.sum(actual == place)))
    return float(np.mean(scores))


def brier(shares: Floats, truth: Bools) -> Floats:
    """Return each row's squared distance between the probabilities and the truth [rows], in [0, 2].

    This is the multi-class form (Brier, 1950): 0 is certain and right, 2 certain and wrong. Several right choices share
    the target probability equally.
    """
    target = truth / truth.sum(axis=1, keepdims=True)
    distances: Floats = ((shares - target) ** 2).sum(axis=1)
    return distances


def calibration_bins(confidence: Floats, correct: Bools, bins: int = CALIBRATION_BINS) -> tuple[Ints, Floats, Floats]:
    """Return counts, summed confidences and summed hits of rows, binned by confidence: each [bins].

    Bin k of n covers confidences above k / n, up to (k + 1) / n.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts: Ints = np.bincount(place, minlength=bins).astype(np.int64)
    confident: Floats = np.bincount(place, weights=confidence, minlength=bins).astype(np.float64)
    right: Floats = np.bincount(place, weights=correct.astype(np.float64), minlength=bins).astype(np.float64)
    return counts, confident, right


def expected_calibration_error(confidence: Floats, correct: Bools, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean distance of confidence and accuracy over bins, weighted by rows, in [0, 1] (Guo et al., 2017).

    `confidence` [rows]: the best choice's probability. `correct` [rows]: whether it was right.
    """
    _, confident, right = calibration_bins(confidence, correct, bins)
    return float(np.abs(confident - right).sum() / len(confidence))
