"""Stopping rules: a logistic fit that finds what made the data, and sampling that stops by it."""

from __future__ import annotations

import numpy as np
import pytest

from cappy.calibration.temperature import sigmoid
from cappy.llm.model import Sample
from cappy.selection.selectors import Pool
from cappy.selection.stopping import DEFAULT_RULE, StoppingRule, features, fit_stopping_rule, logistic_regression


def test_the_fit_finds_the_weights() -> None:
    draw = np.random.default_rng(0)
    inputs = np.column_stack([np.ones(40_000), draw.normal(size=(40_000, 2))])
    truth = np.array([0.5, -1.0, 2.0])
    labels = draw.random(40_000) < sigmoid(inputs @ truth)
    np.testing.assert_allclose(logistic_regression(inputs, labels), truth, atol=0.08)


def test_the_fit_is_the_smallest_loss() -> None:
    draw = np.random.default_rng(1)
    inputs = np.column_stack([np.ones(200), draw.normal(size=200)])
    labels = draw.random(200) < 0.3
    best = logistic_regression(inputs, labels, ridge=0.5)

    def loss(weights: np.ndarray) -> float:
        chances = sigmoid(inputs @ weights)
        return float(-np.log(np.where(labels, chances, 1 - chances)).sum() + 0.25 * weights[1] ** 2)

    for step in draw.normal(scale=0.05, size=(50, 2)):
        assert loss(best + step) >= loss(best) - 1e-4


def test_perfectly_parted_data_has_an_answer() -> None:
    inputs = np.column_stack([np.ones(10), np.arange(10.0)])
    assert np.isfinite(logistic_regression(inputs, np.arange(10) > 4)).all()
    assert np.isfinite(logistic_regression(inputs, np.ones(10, dtype=bool))).all()


def pool(*scored: tuple[str, float]) -> Pool:
    return Pool("", tuple(Sample(text) for text, _ in scored), tuple(score for _, score in scored))


def test_features_say_what_they_say() -> None:
    found = features(pool(("Yes.", 0.9), ("yes", 0.8), ("no", 0.1), ("maybe", 0.2)))
    np.testing.assert_allclose(found, [1, 0.9, 0.9 - 0.5, 0.5, 0.75, 2])


def test_a_rule_learns_that_high_scores_need_no_more() -> None:
    draw = np.random.default_rng(2)
    pools, qualities = [], []
    for number in range(300):
        easy = number % 2 == 0  # easy ones are right from the first sample, hard ones only at the end
        scores = np.full(16, 0.95) if easy else np.sort(draw.random(16) * 0.5)
        pools.append(pool(*((f"text {i}", float(score)) for i, score in enumerate(scores))))
        qualities.append([1.0] * 16 if easy else list(scores))
    rule = fit_stopping_rule(pools, qualities, rounds=(4, 8, 12), threshold=0.8)
    assert rule.stops(pool(*((f"text {i}", 0.95) for i in range(4))))
    assert not rule.stops(pool(*((f"text {i}", 0.1 + i / 20) for i in range(4))))


def test_the_threshold_decides() -> None:
    sure = StoppingRule((10.0, 0, 0, 0, 0, 0), threshold=0.9)
    assert sure.confidence(pool(("a", 0.1))) == pytest.approx(1.0, abs=1e-3)
    assert sure.stops(pool(("a", 0.1)))
    assert not StoppingRule((0.0, 0, 0, 0, 0, 0), threshold=0.9).stops(pool(("a", 0.1)))
    assert 0 < DEFAULT_RULE.confidence(pool(("a", 0.9), ("b", 0.2))) < 1


def test_the_rule_stops_where_all_say_the_same_and_it_scores_well() -> None:
    assert DEFAULT_RULE.stops(pool(*[("Paris", 0.9)] * 4))
    assert not DEFAULT_RULE.stops(pool(("Rome", 0.1), ("Oslo", 0.05), ("Bern", 0.0), ("Kyiv", 0.02)))
