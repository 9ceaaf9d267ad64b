"""Heads against slow references: a general optimiser, and counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cappy.calibration.temperature import sigmoid, softmax
from cappy.classification.head import fit_head
from cappy.classification.logistic import Basis, fit_logistic
from cappy.classification.reject import reject_below
from cappy.classification.targets import Truth

Floats = NDArray[np.float64]


def likelihood(weights: Floats, rows: Floats, known: Floats, truth: Truth, counts: Floats, penalty: float) -> float:
    """What a fit maximises, for one right label."""
    chances = softmax(known + rows @ weights)
    return float((counts * np.log(chances[truth])).sum() - penalty / 2 * (weights**2).sum())


@pytest.mark.parametrize("independent", [False, True])
@given(st.integers(3, 12), st.integers(1, 9), st.sampled_from([0.01, 0.1, 1.0]), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_weights_equal_those_of_a_general_optimiser(
    independent: bool, texts: int, width: int, penalty: float, seed: int
) -> None:
    from scipy.optimize import minimize

    draw = np.random.default_rng(seed)
    rows, known = draw.normal(size=(texts, width)), draw.normal(size=(texts, 3))
    truth = draw.random((texts, 3)) < 0.4 if independent else np.eye(3, dtype=bool)[draw.integers(0, 3, texts)]
    counts = draw.uniform(0.2, 3, texts)
    basis = Basis.of(rows, counts)
    assert basis.rows @ basis.back.T == pytest.approx(rows, abs=2e-3)  # but for what next to no text tells apart
    found = basis.back @ fit_logistic(
        basis, known, truth, counts, penalty, independent=independent, settled=1e-6, steps=5000
    )

    def loss(flat: Floats) -> float:
        weights = flat.reshape(width, 3)
        if not independent:
            return -likelihood(weights, rows, known, truth, counts, penalty)
        right = np.where(truth, sigmoid(known + rows @ weights), 1 - sigmoid(known + rows @ weights))
        return float(penalty / 2 * (weights**2).sum() - (counts[:, None] * np.log(right)).sum())

    best = minimize(loss, np.zeros(3 * width), method="BFGS")
    assert loss(found.ravel()) == pytest.approx(best.fun, rel=1e-2, abs=5e-3)


def test_a_text_that_counts_nothing_is_not_seen() -> None:
    draw = np.random.default_rng(0)
    rows, known = draw.normal(size=(8, 4)), np.zeros((8, 2))
    truth = np.eye(2, dtype=bool)[draw.integers(0, 2, 8)]
    counts = np.array([0.0, 0.0, *[1.5] * 6])  # the rest counts for more than it did in the basis
    basis = Basis.of(rows, np.ones(8))
    found = basis.back @ fit_logistic(basis, known, truth, counts, 0.5, independent=False, settled=1e-5)
    alone = Basis.of(rows[2:], np.ones(6))
    fewer = alone.back @ fit_logistic(alone, known[2:], truth[2:], counts[2:], 0.5, independent=False, settled=1e-5)
    assert found == pytest.approx(fewer, abs=1e-3)


def clusters(count: int, seed: int, classes: int = 3, width: int = 20) -> tuple[Floats, NDArray[np.int64]]:
    """Texts of classes that their features tell apart, nearly, and their classes."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, width))
    targets = np.arange(count) % classes
    features = centres[targets] + draw.normal(scale=0.8, size=(count, width))
    return features / np.linalg.norm(features, axis=1, keepdims=True), targets


def one_hot(targets: NDArray[np.int64], classes: int) -> Truth:
    return np.asarray(np.eye(classes, dtype=bool)[targets])


def test_where_scores_say_nothing_the_features_are_learnt() -> None:
    features, targets = clusters(60, 0)
    scores = np.random.default_rng(1).normal(scale=0.1, size=(60, 3))
    fitted = fit_head(features, scores, one_hot(targets, 3), 0.15)
    assert fitted.zero_shot < 0.6
    assert fitted.accuracy > 0.85
    new, right = clusters(90, 5)
    chosen = fitted.head.logits(new, np.random.default_rng(2).normal(scale=0.1, size=(90, 3))).argmax(axis=1)
    assert (chosen == right).mean() > 0.85


def test_where_scores_are_right_noise_is_not_learnt() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(12, 30))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    targets = np.arange(12) % 3
    fitted = fit_head(features, 0.8 * np.eye(3)[targets], one_hot(targets, 3), 0.15)
    assert fitted.accuracy == fitted.zero_shot == 1
    truth = draw.integers(0, 3, 200)
    new = draw.normal(size=(200, 30))
    chosen = fitted.head.logits(new / np.linalg.norm(new, axis=1, keepdims=True), 0.8 * np.eye(3)[truth]).argmax(axis=1)
    assert (chosen == truth).mean() > 0.98


def test_classes_without_examples_are_told_by_their_scores() -> None:
    features, targets = clusters(40, 0, classes=2)
    scores = np.hstack([0.5 * np.eye(2)[targets], np.zeros((40, 1))])
    head = fit_head(features, scores, one_hot(targets, 3), 0.15).head
    stranger = np.random.default_rng(3).normal(size=(20, 20))
    stranger /= np.linalg.norm(stranger, axis=1, keepdims=True)
    logits = head.logits(stranger, np.tile([0.0, 0.0, 0.9], (20, 1)))
    assert (logits.argmax(axis=1) == 2).mean() > 0.9


def test_weights_count_as_that_many_examples() -> None:
    features, targets = clusters(30, 0)
    twice = np.where(np.arange(30) < 10, 2.0, 1.0)
    repeated = np.concatenate([np.arange(30), np.arange(10)])
    weighed, copied = (
        basis.back @ fit_logistic(basis, np.zeros((len(of), 3)), one_hot(of, 3), counts, 0.5, independent=False)
        for basis, of, counts in (
            (Basis.of(features, twice), targets, twice),
            (Basis.of(features[repeated], np.ones(40)), targets[repeated], np.ones(40)),
        )
    )
    assert weighed == pytest.approx(copied, abs=0.01)
    assert fit_head(features, np.zeros((30, 3)), one_hot(targets, 3), 0.15, twice).head.weight.shape == (21, 3)


def test_the_same_text_twice_is_left_out_together() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(30, 20))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    truth = one_hot(draw.integers(0, 3, 30), 3)  # which nothing tells
    fitted = fit_head(np.tile(features, (2, 1)), np.zeros((60, 3)), np.tile(truth, (2, 1)), 0.15)
    assert fitted.accuracy < 0.6


def test_being_left_out_is_no_sign_of_a_rare_class() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(12, 40))  # that tell nothing
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    fitted = fit_head(features, np.zeros((12, 4)), one_hot(np.arange(12) % 4, 4), 0.15)
    assert fitted.left_out == pytest.approx(0.25, abs=0.15)


def test_rows_that_are_all_alike_can_be_learnt_from() -> None:
    features = np.tile([[0.6, 0.8]], (6, 1))
    targets = np.array([0, 0, 0, 0, 1, 1])
    fitted = fit_head(features, np.zeros((6, 2)), one_hot(targets, 2), 0.15)
    shares = softmax(fitted.head.logits(features, np.zeros((6, 2))))
    assert shares[0, 0] == pytest.approx(4 / 6, abs=0.2)


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9]), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_threshold_is_the_least_that_holds(rows: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = reject_below(confidence, right, 0.75)

    def holds(threshold: float) -> bool:
        answered = confidence >= threshold
        return bool(((~right[answered]).sum() + 1) / (answered.sum() + 1) <= 0.25)

    possible = [value for value in sorted(set(confidence)) if holds(value)]
    assert found == (possible[0] if possible else np.inf)
