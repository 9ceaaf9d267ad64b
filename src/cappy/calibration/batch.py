"""Batch calibration: what a choice scores on average, whatever the text, is taken away; after Zhou et al. (2024)."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError


def check_share(share: float) -> float:
    """Return `share` if it is one.

    Raises:
        InputError: it is no number within [0, 1].

    """
    if not isinstance(share, Real) or not 0 <= share <= 1:
        raise InputError(f"batch calibration takes a share within 0 and 1 of each choice's mean away, not {share!r}.")
    return share


def batch_offsets(scores: NDArray[np.float64], share: float = 1.0) -> NDArray[np.float64]:
    """Return what to add to each choice's score [choices]: minus `share` of its mean over texts, 0 on average.

    `scores` [texts, choices], finite, are of unlabelled texts like those to come, all asked with the same choices.
    Their mean estimates how much the scorer likes a choice whatever the text, which supposes that no choice is right
    much more often than another. The source (arXiv 2309.17249) takes means of probabilities; these are of scores or
    logits, with one further text that scores all choices alike, so that of a single text their order stays the same.
    No texts give zeros.
    """
    means = scores.sum(axis=0) / (len(scores) + 1)
    offsets: NDArray[np.float64] = share * (means.mean() - means)
    return offsets
