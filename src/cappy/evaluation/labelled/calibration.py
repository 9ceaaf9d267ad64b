"""Calibration of a scorer's probabilities before and after its temperature is fitted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cappy.calibration.temperature import fit_temperature
from cappy.errors import InputError
from cappy.group import Group
from cappy.metrics.classification import brier, expected_calibration_error, hits, padded, probabilities, right_choices

if TYPE_CHECKING:
    from cappy.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature fitted on `fitted_on` groups, and its effect on `groups` others.

    `before`: the scorer's own temperature. `error`: the expected calibration error, in [0, 1]. `brier`: the Brier
    score, in [0, 2]. `confidence`: the mean probability of the best choice. `accuracy`: how often that choice is right.
    """

    fitted_on: int
    groups: int
    temperature: float
    before: float
    accuracy: float
    confidence: float
    confidence_before: float
    error: float
    error_before: float
    brier: float
    brier_before: float


def calibrate(scorer: Scorer, groups: Sequence[Group], seed: int = 0) -> Calibration:
    """Fit a temperature on half of the labelled `groups`, drawn by `seed`, and measure it on the other half.

    Groups without both right and wrong candidates are skipped.

    Raises:
        InputError: fewer than two groups are left.

    """
    usable = [group for group in groups if len({candidate.is_right for candidate in group.candidates}) == 2]
    if len(usable) < 2:
        raise InputError("calibration needs at least two groups with both a right and a wrong candidate.")
    random.Random(seed).shuffle(usable)
    scores = [np.asarray(one.scores) for one in scorer.score_groups(usable)]
    half = len(usable) // 2
    labels = [[candidate.label or 0.0 for candidate in group.candidates] for group in usable]
    temperature = fit_temperature(scores[:half], labels[:half])
    measured = padded([list(one) for one in scores[half:]])
    places = [[place for place, one in enumerate(group.candidates) if one.is_right] for group in usable[half:]]
    truth = right_choices(places, measured.shape[1])
    correct = hits(measured, truth)
    after, before = (probabilities(measured, unit) for unit in (temperature, scorer.temperature))
    return Calibration(
        fitted_on=half,
        groups=len(correct),
        temperature=temperature,
        before=scorer.temperature,
        accuracy=float(correct.mean()),
        confidence=float(after.max(axis=1).mean()),
        confidence_before=float(before.max(axis=1).mean()),
        error=expected_calibration_error(after.max(axis=1), correct),
        error_before=expected_calibration_error(before.max(axis=1), correct),
        brier=float(brier(after, truth).mean()),
        brier_before=float(brier(before, truth).mean()),
    )
