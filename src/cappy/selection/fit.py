"""Fitting the selector `learnt`: ridge regression of a sample's worth on its features, from a task's examples.

Worth and features are relative to the mean of an instruction's samples, because only the order among them counts.
Cross-validation, with weights and known answers of other examples only, decides the penalty, and whether anything is
learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError
from cappy.selection.features import FEATURES, Known, Samples, describe

Floats = NDArray[np.float64]

PENALTIES = (100.0, 300.0, 1000.0)
"""Ridge penalties that are tried, for features of unit variance among an instruction's samples."""
FOLDS = 5
FEWEST = 4
"""Minimum number of examples whose samples differ in worth."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Weights of `FEATURES` [features], with cross-validated figures.

    `weights` is None if the examples teach nothing better than the default selector, which is then used. `values` are
    those of every example's samples, from weights learnt without that example. Mean worth, in [0, 1], over the examples
    that have samples: `chosen` by these values, `without` examples, of the `first` samples, and of the `best`.
    """

    weights: Floats | None
    penalty: float
    values: tuple[Floats, ...]
    chosen: float
    without: float
    first: float
    best: float


def weigh(
    samples: Sequence[Samples],
    worths: Sequence[Floats],
    known: Known,
    owners: Sequence[int],
    unlearnt: Sequence[Floats],
    seed: int = 0,
) -> Weighed:
    """Fit weights on a task's examples.

    Examples that ask the same are held out together, and do not see each other's answers.

    Args:
        samples: of every example.
        worths: of every example's samples, in [0, 1].
        known: the answers of all examples.
        owners: for each answer, the index of its example.
        unlearnt: values of every example's samples by the default selector.
        seed: decides the folds.

    Raises:
        InputError: too few examples have samples of different worth.

    """
    if sum(bool(len(worth)) and float(np.ptp(worth)) > 0 for worth in worths) < FEWEST:
        raise InputError(f"learning to choose needs {FEWEST} examples or more whose samples differ in worth.")
    asked = list(dict.fromkeys(one.instruction for one in samples))
    groups = np.array([asked.index(one.instruction) for one in samples])
    of_answers = groups[np.asarray(owners, dtype=int)]
    order = np.random.default_rng(seed).permutation(len(asked))
    found: dict[float, list[Floats]] = {penalty: [np.zeros(0)] * len(samples) for penalty in PENALTIES}
    for start in range(min(FOLDS, len(order))):
        fold = order[start::FOLDS]
        if len(fold) == len(order):
            raise InputError("the examples all ask the same; others are needed to learn from.")
        left, kept = set(np.flatnonzero(np.isin(groups, fold)).tolist()), np.flatnonzero(~np.isin(of_answers, fold))
        learnt = [place for place in range(len(samples)) if place not in left]
        others = known.only(kept)
        part = ([samples[place] for place in learnt], [worths[place] for place in learnt], others)
        features, differences = _learnt(*part, groups[learnt], of_answers[kept])
        described = {place: describe(samples[place], others) for place in left}
        for penalty in PENALTIES:
            weights = ridge(features, differences, penalty)
            for place, values in described.items():
                found[penalty][place] = values @ weights
    quality = {penalty: _chosen(values, worths) for penalty, values in found.items()}
    best = max(PENALTIES, key=lambda penalty: quality[penalty])
    first, most = _chosen([np.zeros(len(worth)) for worth in worths], worths), _chosen(worths, worths)
    without = _chosen(unlearnt, worths)
    if quality[best] <= without:
        return Weighed(None, best, tuple(unlearnt), without, without, first, most)
    weights = ridge(*_learnt(samples, worths, known, groups, of_answers), best)
    return Weighed(weights, best, tuple(found[best]), quality[best], without, first, most)


def ridge(features: Floats, differences: Floats, penalty: float) -> Floats:
    """Return ridge weights [features] for unscaled `features`, penalised as if each had unit variance."""
    scale = features.std(axis=0) + 1e-3
    scaled = features / scale
    found: Floats = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(scaled.shape[1]), scaled.T @ differences)
    return np.asarray(found / scale)


def _learnt(
    samples: Sequence[Samples],
    worths: Sequence[Floats],
    known: Known,
    groups: NDArray[np.int64],
    of_answers: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Return features and worth of all samples, relative to their instruction's mean.

    An example does not see its own answers: `groups` [examples] and `of_answers` [answers] number the distinct
    instructions.
    """
    features, differences = [np.zeros((0, len(FEATURES)))], [np.zeros(0)]
    for one, worth, group in zip(samples, worths, groups, strict=True):
        others = np.flatnonzero(of_answers != group)
        if not len(worth) or not len(others):
            continue
        described = describe(one, known.only(others))
        features.append(described - described.mean(axis=0))
        differences.append(worth - worth.mean())
    return np.concatenate(features), np.concatenate(differences)


def _chosen(values: Sequence[Floats], worths: Sequence[Floats]) -> float:
    """Return the mean worth of the samples with the highest values; ties go to the first."""
    pairs = [(value, worth) for value, worth in zip(values, worths, strict=True) if len(worth)]
    return float(np.mean([worth[int(np.argmax(value[: len(worth)]))] for value, worth in pairs]))
