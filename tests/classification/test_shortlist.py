"""Many choices by a shortlist, against scoring them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.checkpoint.embedding import Projection, write_projection
from cappy.checkpoint.save import note_setting
from cappy.classification import shortlist
from cappy.classifier import Classifier

CHOICES = ["good", "bad", "river", "fire", "wind", "house", "cat", "dog"]
TEXTS = ["the cat in the house", "who is a good dog ?", "river and fire"]


@pytest.fixture(scope="module")
def scorer(shared_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> cappy.Scorer:
    folder = tmp_path_factory.mktemp("mapped") / "scorer"
    shutil.copytree(shared_bert, folder)
    hidden = cappy.load(folder).checkpoint.spec.hidden
    draw = np.random.default_rng(0)
    parts = (draw.normal(size=(hidden, 5)), draw.normal(size=5), draw.normal(size=hidden) / hidden)
    weight, bias, middle = (part.astype(np.float32) for part in parts)
    write_projection(folder, Projection(weight, bias, middle, (3,)))
    note_setting(folder, "nearness", 10.0)
    return cappy.load(folder)


def test_the_nearest_are_read_and_nearness_counts(scorer: cappy.Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "SHORTLIST", 3)
    asked = [f"{text} ?" for text in TEXTS]
    found = shortlist.shortlisted(scorer, scorer.embed(TEXTS), asked, CHOICES)
    nearness = scorer.embed(TEXTS) @ scorer.embed(CHOICES).T
    for row, instruction in enumerate(asked):
        read = set(np.argsort(-nearness[row])[:3])
        scores = scorer.for_choices(CHOICES).score(instruction, CHOICES)
        least = min(scores[place] for place in read)
        expected = [
            (scores[place] if place in read else least) + 10 * scorer.temperature * nearness[row, place]
            for place in range(len(CHOICES))
        ]
        assert found[row] == pytest.approx(expected, abs=1e-3)


def test_a_classifier_of_many_choices_uses_it(scorer: cappy.Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cappy.classification.choices.MANY", 8)
    plain = Classifier(CHOICES, "{text} ?", scorer=scorer).decision_function(TEXTS)
    assert plain == pytest.approx(
        np.array([scorer.score(f"{text} ?", sorted(CHOICES)) for text in TEXTS]) / scorer.temperature, abs=1e-3
    )
    monkeypatch.setattr("cappy.classification.choices.MANY", 4)
    listed = Classifier(CHOICES, "{text} ?", scorer=scorer).decision_function(TEXTS) * scorer.temperature
    expected = shortlist.shortlisted(scorer, scorer.embed(TEXTS), [f"{text} ?" for text in TEXTS], CHOICES)
    assert listed == pytest.approx(expected[:, np.argsort(CHOICES)], abs=1e-4)
    assert Classifier(CHOICES, "{text} ?", scorer=scorer).predict_proba([]).shape == (0, 8)


def test_a_checkpoint_that_notes_no_nearness_scores_all(shared_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cappy.classification.choices.MANY", 4)
    scorer = cappy.load(shared_bert)
    found = Classifier(CHOICES, "{text} ?", scorer=scorer).decision_function(TEXTS[:1])[0]
    assert found == pytest.approx(scorer.score(f"{TEXTS[0]} ?", sorted(CHOICES)) / scorer.temperature, abs=1e-3)


@pytest.mark.parametrize("noted", [-1, True, "much", float("inf")])
def test_what_is_no_nearness_is_refused(shared_bert: Path, tmp_path: Path, noted: object) -> None:
    folder = tmp_path / "scorer"
    shutil.copytree(shared_bert, folder)
    note_setting(folder, "nearness", noted)
    with pytest.raises(cappy.CheckpointError, match="nearness"):
        cappy.load(folder)
