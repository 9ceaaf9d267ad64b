"""The model of all that is known of samples: what it reads, and the selectors that use it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.calibration.combined import FEATURES, Selection
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.save import note_setting
from cappy.errors import CheckpointError
from cappy.llm.model import Sample
from cappy.selection.combined import LONG, describe, usual_weighing
from cappy.selection.selectors import (
    Pool,
    cappy_and_agreement,
    combined,
    combined_open,
    combined_short,
    scored,
    usual_selector,
)
from cappy.text.features import repetition

NOTED = {
    "open": {"weights": {"score": 1, "agreement": 0.25, "different words": 0.1, "repetition": -1}, "margin": 0.2},
    "short": {"weights": {"score": 1, "log-likelihood a token": 0.5, "a part of it": 0.25}, "margin": 9},
    "either": {"weights": {"score": 1.0, "agreement": 0.5}, "margin": 9},
}
UNKNOWN = np.full(3, np.nan)


def test_values_are_in_units_of_the_score_and_the_score_has_a_veto() -> None:
    weighing = Selection.read(NOTED, "here").kinds["open"]
    texts = ["one two three", "one two three", "many more words are in this answer than in the others"]
    known = np.array([0.5, 0.7, 0.49]), np.array([0.2, 0.2, 0.1])
    features = describe("what?", texts, *known, UNKNOWN, UNKNOWN)
    values = weighing.values(features)
    assert values[1] - values[0] == pytest.approx(0.2)
    assert values[0] == pytest.approx(0.5 + 0.25 * 0.2 + 0.1 * np.log(4))
    assert values[2] == pytest.approx(values[0] - 0.21)  # that far below the best score: vetoed
    assert (weighing.values(features[[0, 2]])[1] > weighing.values(features[[0, 2]])[0]) == (
        0.49 + 0.025 + 0.1 * np.log(12) > 0.5 + 0.05 + 0.1 * np.log(4)
    )


def test_what_is_not_known_counts_as_the_least_of_what_is() -> None:
    texts, zero = ["a", "b", "c"], np.zeros(3)
    features = describe("a or b?", texts, zero, zero, np.array([-90.0, np.nan, -2]), np.array([-3.0, np.nan, -1]))
    places = [FEATURES.index(name) for name in ("log-likelihood", "log-likelihood a token", "a part of it")]
    assert features[:, places].tolist() == [[-60, -3, 1], [-60, -3, 1], [-2, -1, 0]]
    silent = describe("a or b?", texts, zero, zero, UNKNOWN, UNKNOWN)
    assert not silent[:, places[:2]].any()


def test_long_samples_are_taken_for_answers_to_open_instructions() -> None:
    selection = Selection.read(NOTED, "here")
    long = "word " * LONG
    assert usual_weighing(selection, [long, long, "brief"]) is selection.kinds["open"]
    assert usual_weighing(selection, [long, "brief", "brief"]) is selection.kinds["either"]


def test_repetition_is_the_share_of_runs_that_stood_before() -> None:
    assert repetition("a b c d".split()) == 0
    assert repetition("a b c a b c".split()) == pytest.approx(1 / 4)
    assert repetition(["a", "b"]) == 0


@pytest.mark.parametrize(
    "noted",
    [
        {},
        [1],
        {**NOTED, "open": "abc"},
        {**NOTED, "short": {"weights": "score", "margin": 1}},
        {**NOTED, "short": {"weights": {"beauty": 1}, "margin": 1}},
        {**NOTED, "short": {"weights": {"score": float("nan")}, "margin": 1}},
        {**NOTED, "either": {"weights": {"score": 1}, "margin": -1}},
    ],
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
    # Of short answers agreement counts a half, and the rest nothing.
    assert combined(pool) == pytest.approx(cappy_and_agreement(pool))
    assert combined_open(pool) != pytest.approx(combined(pool))
    assert combined_short(pool) == pytest.approx(pool.scores)
    told = replace(pool, samples=tuple(Sample(one.text, "", -number, 2) for number, one in enumerate(samples)))
    assert combined_short(told) == pytest.approx(np.array(pool.scores) - 0.25 * np.arange(3))
    assert pool.first(2).selection is pool.selection
    note_setting(folder, "selection", {"open": {"weights": {"beauty": 1}, "margin": 0}})
    with pytest.raises(CheckpointError, match="selection"):
        read_checkpoint(folder)


def test_an_empty_sample_stands_in_nobodys_way() -> None:
    selection = Selection.read(NOTED, "here")
    samples = (Sample("a b c"), Sample("a b c d e f"))
    for selector in (combined, combined_open, combined_short):
        without = selector(Pool("q", samples, (0.5, 0.45), selection))
        beside = selector(Pool("q", (*samples, Sample("")), (0.5, 0.45, 0.9), selection))
        assert np.argsort(beside[:2]).tolist() == np.argsort(without).tolist() and beside[2] < beside[:2].min()
        assert np.isfinite(selector(Pool("q", (Sample(""), Sample("")), (0.5, 0.4), selection))).all()


def test_what_was_noted_before_there_were_names_is_passed_over(shared_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "former"
    shutil.copytree(shared_bert, folder)
    note_setting(folder, "selection", {kind: {"weights": [1, 0, 0, 0], "margin": 1} for kind in ("open", "short")})
    assert cappy.load(folder).selection is None


def test_pools_without_a_selection_fall_back_to_agreement() -> None:
    pool = Pool("a", (Sample("b"), Sample("c")), (0.1, 0.2))
    assert list(combined(pool)) == list(cappy_and_agreement(pool))


def test_what_chooses_unless_it_is_said() -> None:
    selection = Selection.read(NOTED, "here")
    assert usual_selector(selection, learnt=True) == usual_selector(None, learnt=True) == "learnt"
    assert usual_selector(selection, learnt=False) == "combined"
    assert usual_selector(None, learnt=False) == "cappy"
    assert cappy.load().selection  # cappy-base notes how
