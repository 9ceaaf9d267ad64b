"""Batch calibration: subtract each choice's mean score over texts (after Zhou et al., 2024)."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError


def check_share(share: float) -> float:
    """Return `share` if it is valid.

    Raises:
        InputError: it is not a number in [0, 1].

    """
    if not isinstance(share, Real) or not 0 <= share <= 1:
        raise InputError(f"the share of batch calibration must be between 0 and 1, not {share!r}.")
    return share


def batch_offsets(scores: NDArray[np.float64], share: float = 1.0) -> NDArray[np.float64]:
    """Return offsets to add to the choices' scores [choices]: minus `share` of the mean over texts, 0 on average.

    `scores`: [texts, choices], finite, of unlabelled texts like those to be classified, all with the same choices. The
    mean estimates the scorer's bias for a choice, assuming that no choice is right much more often than another. The
    source (arXiv 2309.17249) averages probabilities; this averages scores or logits, and adds one text with equal
    scores, so that a single text keeps its order. Without texts the offsets are 0.
    """
    means = scores.sum(axis=0) / (len(scores) + 1)
    offsets: NDArray[np.float64] = share * (means.mean() - means)
    return offsets
