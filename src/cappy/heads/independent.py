"""A head for texts that may have several labels, or none: every choice is judged by itself.

As `cappy.heads.head`, with a probability for each choice in place of a softmax over all: the prior is the sigmoid of
how far a score lies above one half, which is where a scorer is undecided, over a temperature. What labelled texts add
is a ridge regression to what the prior gets wrong, and one offset a choice, for how frequent it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cappy.heads.head import PENALTIES, SCALES, SHARPNESS, Fitted, Head, doubt, sigmoid, undecided
from cappy.heads.ridge import Spectrum

Floats = NDArray[np.float64]

STEPS = 8
"""Newton steps to an offset; more change nothing that is seen."""


def fit_independent(
    features: Floats, scores: Floats, truth: NDArray[np.bool_], temperature: float, weights: Floats
) -> Fitted:
    """Fit a head on texts with any number of labels each.

    Args:
        features: of the texts, of length 1: [texts, features].
        scores: of the choices: [texts, classes].
        truth: which choices are right: [texts, classes].
        temperature: the scorer's own.
        weights: how much each text counts: [texts].

    """
    counts, wanted = (weights / weights.mean())[:, None], truth.astype(np.float64)
    spectrum = Spectrum.of(features, counts[:, 0])
    best: tuple[float, float, float, float, Floats] | None = None
    kept = alone = wanted
    least_alone = np.inf
    for sharpness in SHARPNESS:
        prior = undecided(scores, temperature * sharpness)
        for penalty in PENALTIES:
            told = prior if penalty == np.inf else prior + spectrum.left_out(wanted - prior, penalty)
            for scale in SCALES:
                logits = scale * (told - 0.5)
                offsets = fit_offsets(logits, wanted, counts)
                chances = sigmoid(logits + offsets)
                loss = _loss(chances, truth, counts) + doubt(sharpness, penalty)
                if best is None or loss < best[0]:
                    best, kept = (loss, sharpness, penalty, scale, offsets), chances
                if sharpness == np.inf and loss < least_alone:
                    least_alone, alone = loss, chances
    assert best is not None
    _, sharpness, penalty, scale, offsets = best
    prior = undecided(scores, temperature * sharpness)
    nothing = np.zeros((features.shape[1], scores.shape[1]))
    weight = nothing if penalty == np.inf else spectrum.weight(wanted - prior, penalty)
    told_by = (scores > 0.5, alone > 0.5, kept > 0.5)
    shares = [f1(told, truth, counts) for told in told_by]
    head = Head(weight, temperature * sharpness, scale, offsets - scale / 2, independent=True)
    return Fitted(head, kept, shares[0], shares[1], shares[2], penalty)


def fit_offsets(logits: Floats, wanted: Floats, counts: Floats) -> Floats:
    """Return the offset of each class [classes] that makes `wanted` likeliest, drawn to 0 as by one text's doubt."""
    offsets = np.zeros(logits.shape[1])
    for _ in range(STEPS):
        chances = sigmoid(logits + offsets)
        slope = (counts * (wanted - chances)).sum(axis=0) - offsets
        curvature = (counts * chances * (1 - chances)).sum(axis=0) + 1
        offsets = offsets + np.clip(slope / curvature, -2, 2)
    return offsets


def f1(told: NDArray[np.bool_], truth: NDArray[np.bool_], counts: Floats | float = 1.0) -> float:
    """Return the F1 of all (text, label) decisions together, in [0, 1]; 1 where no label is right and none is told."""
    both, either = (counts * (told & truth)).sum(), (counts * told).sum() + (counts * truth).sum()
    return float(2 * both / either) if either else 1.0


def _loss(chances: Floats, truth: NDArray[np.bool_], counts: Floats) -> float:
    """Negative log-likelihood of all texts and classes together."""
    right = np.clip(np.where(truth, chances, 1 - chances), 1e-12, 1)
    return float(-(counts * np.log(right)).sum())
