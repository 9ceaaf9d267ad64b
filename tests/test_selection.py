"""The model of score, agreement and length: its fit, what it reads, and the selector that uses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.save import note_setting
from cappy.errors import CheckpointError
from cappy.llm.model import Sample
from cappy.selection import Selection, describe, fit_weights, repetition
from cappy.selectors import Pool, cappy_and_agreement, combined, combined_short, scored

NOTED = {
    "open": {"weights": [1.0, 0.25, 0.1, -1], "margin": 0.2},
    "short": {"weights": [1.0, 0.5, 0.0, 0], "margin": 9},
}


def judged(seed: int, count: int = 60) -> tuple[list[np.ndarray], list[np.ndarray]]:
    draw = np.random.default_rng(seed)
    features = [draw.normal(size=(5, 3)) * (1, 0.2, 2) for _ in range(count)]
    worths = [one @ (1, 2, 0.1) + draw.normal(size=5) for one in features]
    return features, worths


def test_the_fit_is_a_penalised_logistic_regression_of_differences() -> None:
    features, worths = judged(0)
    rows, weights = [], []
    for one, worth in zip(features, worths, strict=True):
        better, worse = np.nonzero(worth[:, None] > worth[None, :])
        amount = worth[better] - worth[worse]
        rows.append(one[better] - one[worse])
        weights.append(amount / amount.sum())
    inputs = np.concatenate(rows)
    scale = inputs.std(axis=0)
    # Every difference once as it is and once turned round, so that both labels occur; half the weight each.
    both = np.concatenate([inputs, -inputs]) / scale
    labels = np.repeat([1, 0], len(inputs))
    model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(both, labels, sample_weight=np.tile(np.concatenate(weights), 2) / 2)
    expected = model.coef_[0] / scale
    assert fit_weights(features, worths) == pytest.approx(expected / expected[0], rel=1e-4)


def test_the_fit_finds_what_made_the_answers_good() -> None:
    weights = fit_weights(*judged(1, 2000))
    assert weights == pytest.approx((1, 2, 0.1), abs=0.15)


def test_a_score_that_tells_nothing_is_refused() -> None:
    features, worths = judged(2)
    with pytest.raises(ValueError, match="does not tell"):
        fit_weights(features, [-one for one in worths])
    with pytest.raises(ValueError, match="no two"):
        fit_weights(features, [np.zeros(5) for _ in worths])


def test_values_are_in_units_of_the_score_and_the_score_has_a_veto() -> None:
    weighing = Selection.read(NOTED, "here").kinds["open"]
    texts = ["one two three", "one two three", "many more words are in this answer than in the others"]
    features = describe(np.array([0.5, 0.7, 0.49]), np.array([0.2, 0.2, 0.1]), texts)
    values = weighing.values(features)
    assert values[1] - values[0] == pytest.approx(0.2)
    assert values[0] == pytest.approx(0.5 + 0.25 * 0.2 + 0.1 * np.log(4))
    assert values[2] == pytest.approx(values[0] - 0.21)  # that far below the best score: vetoed
    assert (weighing.values(features[[0, 2]])[1] > weighing.values(features[[0, 2]])[0]) == (
        0.49 + 0.025 + 0.1 * np.log(12) > 0.5 + 0.05 + 0.1 * np.log(4)
    )


def test_repetition_is_the_share_of_runs_that_stood_before() -> None:
    assert repetition("a b c d".split()) == 0
    assert repetition("a b c a b c".split()) == pytest.approx(1 / 4)
    assert repetition(["a", "b"]) == 0


@pytest.mark.parametrize(
    "noted", [{}, {"open": [1, 2, 3]}, {"open": [1, 2], "short": [1, 2, 3]}, [1], {"open": "abc", "short": "abc"}]
)
def test_what_is_no_selection_is_told(noted: object) -> None:
    with pytest.raises(CheckpointError, match="selection"):
        Selection.read(noted, "here")


def test_a_checkpoint_notes_its_selection_and_the_selector_uses_it(shared_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "noted"
    shutil.copytree(shared_bert, folder)
    samples = [Sample(text) for text in ("the cat", "the cat is in the house", "the cat")]
    plain = scored(cappy.load(folder), "who is it?", samples)
    assert plain.selection is None
    assert combined(plain) == pytest.approx(cappy_and_agreement(plain))
    note_setting(folder, "selection", NOTED)
    pool = scored(cappy.load(folder), "who is it?", samples)
    assert combined(pool)[0] == combined(pool)[2]
    alike = cappy_and_agreement(pool)  # of short answers agreement counts a half, the rest nothing
    assert combined_short(pool) == pytest.approx(alike)
    assert combined(pool) != pytest.approx(alike)
    assert pool.first(2).selection is pool.selection
    note_setting(folder, "selection", {"open": {"weights": [1], "margin": 0}})
    with pytest.raises(CheckpointError, match="selection"):
        read_checkpoint(folder)


def test_pools_without_a_selection_fall_back_to_agreement() -> None:
    pool = Pool("a", (Sample("b"), Sample("c")), (0.1, 0.2))
    assert list(combined(pool)) == list(cappy_and_agreement(pool))
