"""Batch calibration: what a choice scores on average, whatever the text, is taken away (Zhou et al., 2024)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError


def check_share(share: float) -> float:
    """Return `share` if it is one.

    Raises:
        InputError: it is not within [0, 1].

    """
    if not 0 <= share <= 1:
        raise InputError(f"batch calibration takes a share within 0 and 1 of each choice's mean away, not {share}.")
    return share


def batch_offsets(scores: NDArray[np.float64], share: float = 1.0) -> NDArray[np.float64]:
    """Return what to add to each choice's score [choices]: minus `share` of its mean over texts, 0 on average.

    `scores` [texts, choices] are of unlabelled texts like those to come, all asked with the same choices. The mean over
    texts estimates the scorer's prior for a choice (arXiv 2309.17249, there in probabilities), which supposes
    that no choice is right much more often than another. One further text counts as having scored all choices
    alike, so that of a single text the order of the choices stays the same. No texts give zeros.
    """
    means = scores.sum(axis=0) / (len(scores) + 1)
    offsets: NDArray[np.float64] = share * (means.mean() - means)
    return offsets
