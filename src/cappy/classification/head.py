"""A classification head that corrects the zero-shot classifier with what labelled texts teach.

Zero-shot logits are a text's scores divided by a temperature. The head adds a logistic regression from the text's
features to what those logits get wrong, so little is learnt where the scores are right, and a few examples cannot
overturn them. An infinite temperature ignores the scores, which makes the head an ordinary classifier.

Temperature, penalty and the scale of the sum maximise the cross-validated likelihood of the examples, with a penalty on
settings that differ from zero-shot. If texts may have several labels, every choice is judged by itself: its logit is
how far its score is above an undecided score, 0.5 by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.temperature import sigmoid, softmax
from cappy.classification.logistic import Basis, fit_logistic
from cappy.classification.targets import Truth, f1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARPNESS = (0.5, 1.0, 2.0, 4.0, 8.0, np.inf)
"""Temperatures to try, in units of the scorer's own; infinity ignores the scores."""
PENALTIES, MIDDLE = (1.0, 0.1, 0.01), 0.1
"""Penalties to try, for features of length 1; learning nothing is tried too."""
ROUGHLY = 0.03
"""A fit that only tries a setting ends when no logit changes by more than this in a step."""
DOUBT_OF_LEARNING, DOUBT_OF_TEMPERATURE = 4.0, 1.0
"""What the log-likelihood must gain, in nats, for anything to be learnt, and for each doubling or halving of the
temperature, because a dozen examples can be told apart by chance. Infinity counts as four doublings. With 2 nats
instead of 4, four examples a class of trec cost 4 points against zero-shot.
"""
UNDECIDED = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Undecided scores to try if every choice is judged by itself."""
SCALES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Factors of the logits to try."""
FOLDS, FEW, FOLDS_OF_MANY = 10, 400, 4
"""Cross-validation folds for up to `FEW` texts, and for more."""
TRIED = 1000
"""Maximum number of texts on which settings are tried; more are sampled at random."""


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head: `weight` [features + 1, classes], `temperature` of the scores, `scale` of the logits.

    The last row of `weight` is the intercept. If `independent`, every class is judged by itself, and `undecided` is the
    score that says neither yes nor no; otherwise exactly one class is right.
    """

    weight: Floats
    temperature: float
    scale: float
    independent: bool = False
    undecided: float = UNDECIDED[0]

    def logits(self, features: Floats, scores: Floats) -> Floats:
        """Return logits [texts, classes] from features [texts, features] and scores [texts, classes]."""
        learnt = features @ self.weight[:-1] + self.weight[-1]
        known = known_logits(scores, self.temperature, self.independent, self.undecided)
        found: Floats = self.scale * (known + learnt)
        return found


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head with how it was chosen.

    `left_out` [texts, classes] are cross-validated probabilities of the examples. `zero_shot`, `alone` and `accuracy`,
    in [0, 1], are the cross-validated accuracies of the scores, of a head without the scores (on at most `TRIED`
    texts), and of the head; for texts with several labels they are the F1 of all decisions. `penalty` is infinite if
    nothing was learnt.
    """

    head: Head
    left_out: Floats
    zero_shot: float
    alone: float
    accuracy: float
    penalty: float


@dataclass(frozen=True, slots=True, order=True)
class _Setting:
    sharpness: float
    penalty: float
    scale: float = 1.0
    undecided: float = UNDECIDED[0]


def fit_head(
    features: Floats,
    scores: Floats,
    truth: Truth,
    temperature: float,
    weights: Floats | None = None,
    *,
    independent: bool = False,
) -> Fitted:
    """Fit a head on labelled texts.

    Args:
        features: of the texts, of length 1: [texts, features].
        scores: of the choices: [texts, classes].
        truth: which choices are right: [texts, classes]; one per text unless `independent`.
        temperature: the scorer's own.
        weights: how much each text counts: [texts]; equal by default.
        independent: whether texts may have several labels, or none.

    """
    counts = np.ones(len(truth)) if weights is None else weights / weights.mean()
    data = _Data(features, scores, truth, counts, temperature, independent)
    tried = data if len(truth) <= TRIED else data.part(np.random.default_rng(0).permutation(len(truth))[:TRIED])
    best, alone = _best_setting(tried)
    basis = data.basis()
    left_out = data.tried(basis, data.folds(), best)[1]
    head = Head(data.learn(basis, best), temperature * best.sharpness, best.scale, independent, best.undecided)
    zero_shot = data.right(known_logits(scores, temperature, independent))
    chances = data.chances(best.scale * left_out)
    return Fitted(head, chances, zero_shot, alone, data.right(left_out), best.penalty)


def known_logits(scores: Floats, temperature: float, independent: bool, undecided: float = UNDECIDED[0]) -> Floats:
    """Return zero-shot logits [texts, classes]."""
    if independent:
        return np.asarray((scores - undecided) / temperature)
    return np.log(np.maximum(softmax(scores / temperature), 1e-30))


@dataclass(frozen=True, slots=True)
class _Data:
    """Labelled texts as a head is fitted on them."""

    features: Floats
    scores: Floats
    truth: Truth
    counts: Floats
    temperature: float
    independent: bool

    def part(self, places: Ints) -> _Data:
        rows = (self.features[places], self.scores[places], self.truth[places], self.counts[places])
        return _Data(*rows, self.temperature, self.independent)

    def basis(self) -> Basis:
        constant = np.ones((len(self.features), 1), self.features.dtype)
        return Basis.of(np.concatenate([self.features, constant], axis=1), self.counts)

    def known(self, setting: _Setting) -> Floats:
        return known_logits(self.scores, self.temperature * setting.sharpness, self.independent, setting.undecided)

    def folds(self) -> list[Ints]:
        """Split the texts into folds, stratified by class; equal texts share a fold."""
        _, first, same = np.unique(self.features, axis=0, return_index=True, return_inverse=True)
        shuffled = np.random.default_rng(0).permutation(len(first))
        order = shuffled[np.argsort(self.truth[first[shuffled]].argmax(axis=1), kind="stable")]
        count = min(len(order), FOLDS if len(order) <= FEW else FOLDS_OF_MANY)
        parts = [np.flatnonzero(np.isin(same.ravel(), order[start::count])) for start in range(count)]
        return parts if count > 1 else []

    def without(self, fold: Ints) -> Floats:
        """Return how much each text counts [texts] with a fold held out and the class totals kept.

        Otherwise a held-out text's class would look rarer than it is, the more so the fewer texts it has.
        """
        left = self.counts.copy()
        left[fold] = 0
        if self.independent:
            return left
        whole, rest = self.counts @ self.truth, left @ self.truth
        return np.asarray(left * (self.truth @ np.where(rest > 0, whole / np.maximum(rest, 1e-12), 1.0)))

    def learn(self, basis: Basis, setting: _Setting) -> Floats:
        """Return weights [features + 1, classes] learnt from all texts."""
        if setting.penalty == np.inf:
            return np.zeros((self.features.shape[1] + 1, self.truth.shape[1]))
        known = self.known(setting)
        learnt = fit_logistic(basis, known, self.truth, self.counts, setting.penalty, independent=self.independent)
        return np.asarray(basis.back @ learnt, dtype=np.float64)

    def tried(self, basis: Basis, folds: Sequence[Ints], setting: _Setting) -> tuple[_Setting, Floats]:
        """Return a setting with cross-validated logits of every text, before scaling."""
        known = self.known(setting)
        found = known.copy()
        for fold in folds if setting.penalty < np.inf else ():
            left, penalty = self.without(fold), setting.penalty
            learnt = fit_logistic(
                basis, known, self.truth, left, penalty, independent=self.independent, settled=ROUGHLY
            )
            found[fold] += basis.rows[fold] @ learnt
        return setting, found

    def chances(self, logits: Floats) -> Floats:
        return sigmoid(logits) if self.independent else softmax(logits)

    def loss(self, logits: Floats) -> float:
        """Return the negative log-likelihood of all texts."""
        chances = self.chances(logits)
        right = np.where(self.truth, chances, 1 - chances if self.independent else 1.0)
        return float(-(self.counts[:, None] * np.log(np.maximum(right, 1e-12))).sum())

    def right(self, logits: Floats) -> float:
        if self.independent:
            return f1(logits > 0, self.truth, self.counts[:, None])
        return float(np.average(self.truth[np.arange(len(logits)), logits.argmax(axis=1)], weights=self.counts))


def _best_setting(data: _Data) -> tuple[_Setting, float]:
    """Return the setting with the best cross-validated likelihood, and the accuracy without the scores.

    Every temperature is tried with the middle penalty; the other penalties only with the best temperature.
    """
    basis, folds = data.basis(), data.folds()
    nothing = [
        min(
            _scaled(data, setting, data.known(setting))
            for undecided in (UNDECIDED if data.independent else UNDECIDED[:1])
            for setting in [_Setting(sharpness, np.inf, undecided=undecided)]
        )
        for sharpness in SHARPNESS
    ]
    learning = [replace(one[1], penalty=MIDDLE) for one in nothing]
    every = [*nothing, *(_scaled(data, *data.tried(basis, folds, setting)) for setting in learning)]
    sharpest = {min(every)[1].sharpness, np.inf}
    rest = [
        replace(setting, penalty=penalty)
        for setting in learning
        for penalty in PENALTIES
        if setting.sharpness in sharpest and penalty != MIDDLE
    ]
    every += [_scaled(data, *data.tried(basis, folds, setting)) for setting in rest]
    return min(every)[1], min(one for one in every if one[1].sharpness == np.inf)[2]


def _scaled(data: _Data, setting: _Setting, logits: Floats) -> tuple[float, _Setting, float]:
    """Return the penalised loss of a setting with the best scale, that setting, and its accuracy."""
    losses = [data.loss(scale * logits) for scale in SCALES]
    best = replace(setting, scale=SCALES[int(np.argmin(losses))])
    return min(losses) + _doubt(setting), best, data.right(logits)


def _doubt(setting: _Setting) -> float:
    """Return how many nats a setting must gain over zero-shot."""
    doublings = abs(np.log2(min(setting.sharpness, 16.0)))
    moved = DOUBT_OF_TEMPERATURE * (doublings + (setting.undecided != UNDECIDED[0]))
    return float(moved + DOUBT_OF_LEARNING * (setting.penalty != np.inf))
