"""Heads against slow references: fitting again without every row, and counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cappy.heads.head import fit_head
from cappy.heads.reject import reject_below
from cappy.heads.ridge import Spectrum
from cappy.temperature import softmax

Floats = NDArray[np.float64]


def solved(features: Floats, targets: Floats, weights: Floats, penalty: float) -> Floats:
    """The textbook's ridge regression: [features, outputs]."""
    weighted = features * weights[:, None]
    return np.linalg.solve(weighted.T @ features + penalty * np.eye(features.shape[1]), weighted.T @ targets)


@given(st.integers(2, 12), st.integers(1, 9), st.floats(0.01, 10), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_left_out_predictions_equal_fitting_without_each_row(rows: int, width: int, penalty: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    features, targets = draw.normal(size=(rows, width)), draw.normal(size=(rows, 3))
    weights = draw.uniform(0.2, 3, rows)
    spectrum = Spectrum.of(features, weights)
    assert spectrum.weight(targets, penalty) == pytest.approx(solved(features, targets, weights, penalty), abs=1e-8)
    found = spectrum.left_out(targets, penalty)
    for row in range(rows):
        others = np.arange(rows) != row
        expected = features[row] @ solved(features[others], targets[others], weights[others], penalty)
        assert found[row] == pytest.approx(expected, abs=1e-7)


def clusters(count: int, seed: int, classes: int = 3, width: int = 20) -> tuple[Floats, NDArray[np.int64]]:
    """Texts of classes that their features tell apart, nearly."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, width))
    targets = np.arange(count) % classes
    features = centres[targets] + draw.normal(scale=0.8, size=(count, width))
    return features / np.linalg.norm(features, axis=1, keepdims=True), targets


def test_where_scores_say_nothing_the_features_are_learnt() -> None:
    features, targets = clusters(60, 0)
    scores = np.random.default_rng(1).normal(scale=0.1, size=(60, 3))
    fitted = fit_head(features, scores, targets, 0.15)
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
    fitted = fit_head(features, 0.8 * np.eye(3)[targets], targets, 0.15)
    assert fitted.accuracy == fitted.zero_shot == 1
    truth = draw.integers(0, 3, 200)
    new = draw.normal(size=(200, 30))
    chosen = fitted.head.logits(new / np.linalg.norm(new, axis=1, keepdims=True), 0.8 * np.eye(3)[truth]).argmax(axis=1)
    assert (chosen == truth).mean() > 0.98


def test_classes_without_examples_are_told_by_their_scores() -> None:
    features, targets = clusters(40, 0, classes=2)
    scores = np.hstack([0.5 * np.eye(2)[targets], np.zeros((40, 1))])
    head = fit_head(features, scores, targets, 0.15).head
    stranger = np.random.default_rng(3).normal(size=(20, 20))
    stranger /= np.linalg.norm(stranger, axis=1, keepdims=True)
    logits = head.logits(stranger, np.tile([0.0, 0.0, 0.9], (20, 1)))
    assert (logits.argmax(axis=1) == 2).mean() > 0.9


def test_weights_count_as_that_many_examples() -> None:
    features, targets = clusters(30, 0)
    scores = np.zeros((30, 3))
    twice = np.where(np.arange(30) < 10, 2.0, 1.0)
    repeated = np.concatenate([np.arange(30), np.arange(10)])
    targets_of = Spectrum.of(features, twice).weight(np.eye(3)[targets], 0.5)
    assert targets_of == pytest.approx(
        Spectrum.of(features[repeated], np.ones(40)).weight(np.eye(3)[targets[repeated]], 0.5), abs=1e-9
    )
    assert fit_head(features, scores, targets, 0.15, twice).head.weight.shape == (20, 3)


def test_rows_that_are_all_alike_can_be_learnt_from() -> None:
    features = np.tile([[0.6, 0.8]], (6, 1))
    targets = np.array([0, 0, 0, 0, 1, 1])
    fitted = fit_head(features, np.zeros((6, 2)), targets, 0.15)
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
