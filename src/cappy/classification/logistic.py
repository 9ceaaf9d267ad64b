"""Logistic regression on top of known logits, for one right label or several.

With rows Z, known logits O and weights W, it maximises the log-likelihood of softmax(O + Z W), or of sigmoid(O + Z W),
minus penalty / 2 · |W|². The curvature is at most a half (softmax) or a quarter (sigmoid) of Z'Z (Böhning, 1992), which
is diagonal in the basis of the rows' singular vectors. So a step needs only two products with the rows, and many fits
(folds, penalties) share one decomposition. Nesterov's momentum keeps the number of steps small, as do steps larger than
the bound allows, which are undone if the loss rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.temperature import sigmoid, softmax

Floats = NDArray[np.float64]

LARGE = 1000
"""Above this many texts or features, the decomposition is in single precision, which takes half the time."""
STEPS = 100
"""Maximum steps of a fit."""
BOLD = 16.0
"""The curvature is first assumed to be this factor below its bound; with many classes it is far below."""
SETTLED = 0.01
"""A fit ends when no logit changes by more than this in a step."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Texts in the basis of their singular vectors: `rows` [texts, rank], `values` [rank] the diagonal of their Z'Z.

    `back` [features, rank] turns weights in this basis into weights of features; `counts` [texts] is how much each text
    counted. Rows are in single precision: a
    fit's time goes into products with them.
    """

    rows: NDArray[np.float32]
    values: Floats
    back: Floats
    counts: Floats

    @classmethod
    def of(cls, features: Floats, counts: Floats) -> Basis:
        """Decompose features [texts, features]; a text counts as `counts` [texts] says."""
        weighed = features * np.sqrt(counts)[:, None]
        least = 1e-8
        if min(weighed.shape) > LARGE:
            weighed, least = weighed.astype(np.float32), 1e-6
        by_text = len(weighed) <= weighed.shape[1]
        values, vectors = np.linalg.eigh(weighed @ weighed.T if by_text else weighed.T @ weighed)
        kept = values > least * max(values.max(initial=0), 1e-12)
        values, vectors = values[kept], vectors[:, kept]
        back = weighed.T @ vectors / np.sqrt(values) if by_text else vectors
        return cls((features @ back).astype(np.float32), values, back, counts)


def fit_logistic(
    basis: Basis,
    known: Floats,
    truth: NDArray[np.bool_],
    counts: Floats,
    penalty: float,
    *,
    independent: bool,
    settled: float = SETTLED,
    steps: int = STEPS,
) -> NDArray[np.float32]:
    """Return the weights [rank, classes] in a basis under which labels are likeliest.

    Args:
        basis: of the texts.
        known: logits that the weights add to: [texts, classes].
        truth: which classes are right: [texts, classes]; one a text unless `independent`.
        counts: how much each text counts: [texts]; 0 leaves it out.
        penalty: above 0.
        independent: whether classes are judged by themselves (sigmoid) or one of all is right (softmax).
        settled: change of a logit in a step below which the fit is done.
        steps: after which it is done at the latest.

    """
    rows = basis.rows
    wanted, each, offsets = truth.astype(np.float32), counts[:, None].astype(np.float32), known.astype(np.float32)
    surely = (0.25 if independent else 0.5) * float((counts / basis.counts).max(initial=0))
    assumed = surely / BOLD
    longest = float(np.sqrt((rows**2).sum(axis=1).max(initial=0)))
    weights: NDArray[Any] = np.zeros((rows.shape[1], truth.shape[1]), np.float32)
    ahead, pace, before, least = weights, 1.0, weights, np.inf
    for _ in range(steps):
        logits = offsets + rows @ ahead
        chances = sigmoid(logits) if independent else softmax(logits)
        loss = _loss(chances, truth, counts, independent) + penalty / 2 * float((ahead**2).sum())
        if loss > least:  # overshot, by momentum or too large a step: go back and take smaller steps
            ahead = weights = before
            pace, least, assumed = 1.0, np.inf, min(2 * assumed, surely)
            continue
        before, least = ahead, loss
        size = (assumed * basis.values + penalty)[:, None].astype(np.float32)
        step = (rows.T @ (each * (wanted - chances)) - np.float32(penalty) * ahead) / size
        found = ahead + step
        following = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead = found + np.float32((pace - 1) / following) * (found - weights)
        weights, pace = found, following
        if longest * float(np.sqrt((step**2).sum(axis=0).max(initial=0))) < settled:
            break
    return weights


def _loss(chances: NDArray[Any], truth: NDArray[np.bool_], counts: Floats, independent: bool) -> float:
    """Return the negative log-likelihood of all texts; `chances` [texts, classes]."""
    if independent:
        return float(-(counts[:, None] * np.log(np.maximum(np.where(truth, chances, 1 - chances), 1e-12))).sum())
    return float(-(counts * np.log(np.maximum((chances * truth).sum(axis=1), 1e-12))).sum())
