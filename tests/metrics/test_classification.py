from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cappy.metrics.bootstrap import average_interval, interval, resampled_means
from cappy.metrics.classification import (
    brier,
    chosen,
    expected_calibration_error,
    hits,
    macro_f1,
    padded,
    probabilities,
    right_choices,
    true_places,
)

SCORES = st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=5), min_size=1, max_size=12)


@given(SCORES, st.floats(0.05, 5))
def test_probabilities_are_a_softmax_over_the_choices_there_are(scores: list[list[float]], temperature: float) -> None:
    shares = probabilities(padded(scores), temperature)
    for row, values in zip(shares, scores, strict=True):
        raised = [np.exp(value / temperature) for value in values]
        assert row[: len(values)] == pytest.approx([one / sum(raised) for one in raised])
        assert (row[len(values) :] == 0).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_macro_f1_is_scikit_learns_over_the_places_that_are_right(pairs: list[tuple[int, int]]) -> None:
    predicted, actual = map(np.array, zip(*pairs, strict=True))
    expected = f1_score(actual, predicted, labels=np.unique(actual), average="macro", zero_division=0)
    assert macro_f1(predicted, actual) == pytest.approx(expected)


@given(SCORES, st.integers(0, 2**31))
def test_brier_by_hand(scores: list[list[float]], seed: int) -> None:
    draw = np.random.default_rng(seed)
    right = [[int(draw.integers(len(values)))] for values in scores]
    wide = padded(scores)
    shares, truth = probabilities(wide, 1.0), right_choices(right, wide.shape[1])
    for found, row, (place,) in zip(brier(shares, truth), shares, right, strict=True):
        assert found == pytest.approx(sum((share - (k == place)) ** 2 for k, share in enumerate(row)))
        assert 0 <= found <= 2


@given(st.lists(st.tuples(st.floats(0.001, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 20))
def test_calibration_error_by_hand(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidence, correct = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    expected = 0.0
    for place in range(bins):
        members = [(c, r) for c, r in pairs if min(bins - 1, int(np.ceil(c * bins)) - 1) == place]
        if members:
            gap = np.mean([c for c, _ in members]) - np.mean([r for _, r in members])
            expected += abs(gap) * len(members) / len(pairs)
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(expected)


def test_the_first_of_equal_choices_is_chosen_and_any_right_one_counts() -> None:
    scores = padded([[0.5, 0.5], [0.1, 0.2, 0.9]])
    truth = right_choices([[1], [0, 2]], 3)
    assert chosen(scores).tolist() == [0, 2]
    assert hits(scores, truth).tolist() == [False, True]
    assert true_places(chosen(scores), truth).tolist() == [1, 2]


def test_a_perfect_and_a_hopeless_prediction() -> None:
    truth = right_choices([[0]], 2)
    assert brier(np.array([[1.0, 0.0]]), truth)[0] == 0
    assert brier(np.array([[0.0, 1.0]]), truth)[0] == 2


def test_resampled_means_draw_whole_rows() -> None:
    """Two templates that agree on every row have the same mean in every draw."""
    column = np.array([1.0, 0, 1, 1, 0, 0, 0])
    means = resampled_means(np.stack([column, column, 1 - column], axis=1), 0, "task", 200)
    assert means.shape == (200, 3)
    assert (means[:, 0] == means[:, 1]).all()
    assert means[:, 0] + means[:, 2] == pytest.approx(np.ones(200))
    assert len(np.unique(means[:, 0])) > 4


def test_resampled_means_by_hand() -> None:
    """The same draw, a row at a time; rows that a template passes over do not count for it."""
    table = np.array([[1, np.nan], [0, 1], [1, 0], [np.nan, 1]], dtype=float)
    means = resampled_means(table, 3, "toy", 50)
    drawn = np.random.default_rng([3, *b"toy"]).integers(0, 4, (50, 4))
    for found, rows in zip(means, drawn, strict=True):
        for column in range(2):
            values = table[rows, column]
            known = values[~np.isnan(values)]
            expected = known.mean() if len(known) else np.nanmean(table[:, column])
            assert found[column] == pytest.approx(expected)


def test_the_interval_is_that_of_the_normal_law_for_many_rows() -> None:
    rows = 2000
    column = (np.arange(rows) % 10 < 3).astype(float)[:, None]
    found = interval(resampled_means(column, 0, "many", 2000)[:, 0])
    spread = 1.96 * np.sqrt(0.3 * 0.7 / rows)
    assert found.low == pytest.approx(0.3 - spread, abs=2e-3)
    assert found.high == pytest.approx(0.3 + spread, abs=2e-3)


def test_an_average_over_tasks_is_surer_than_one_task() -> None:
    column = (np.arange(100) % 2).astype(float)[:, None]
    tasks = [resampled_means(column, 0, name)[:, 0] for name in ("a", "b", "c", "d")]
    assert not np.array_equal(tasks[0], tasks[1])
    one, all_of_them = interval(tasks[0]), average_interval(tasks)
    assert all_of_them.high - all_of_them.low == pytest.approx((one.high - one.low) / 2, rel=0.15)
