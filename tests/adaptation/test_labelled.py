"""Labelled texts that train the scorer: the better of two ways is kept, and what is kept is an ordinary classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.adaptation.labelled import Comparison, finetune_classifier, held_out
from cappy.errors import InputError
from cappy.training.finetune import Tuning


def ordered(count: int) -> tuple[list[str], list[str]]:
    """Texts of the same words; what comes first decides, which no mean over words tells."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.permutation(["cat", "river", "walk", "great", "house", "fire"])) for _ in range(count)]
    return texts, ["yes" if text.index("cat") < text.index("fire") else "no" for text in texts]


def test_what_is_likelier_beyond_its_error_is_taken() -> None:
    truth = np.eye(2, dtype=bool)[[0, 1, 0, 1]]
    sure, unsure = np.where(truth, 0.9, 0.1), np.full((4, 2), 0.5)
    assert Comparison.of(unsure, sure, truth).chosen == "trained"
    assert Comparison.of(sure, unsure, truth).chosen == Comparison.of(sure, sure, truth).chosen == "head"
    once = unsure.copy()
    once[0] = (0.99, 0.01)  # one text alone says little
    found = Comparison.of(unsure, once, truth)
    assert found.gain == pytest.approx(np.log(0.99 / 0.5) / 4) and found.chosen == "head"
    assert "4 texts held out: 50.0% right by a head alone, 50.0%" in str(found) and "taken: a head alone" in str(found)


@pytest.mark.parametrize(("rate", "chosen"), [(1e-9, "head"), (3e-3, "trained")])
def test_training_is_kept_where_it_pays(rate: float, chosen: str, shared_bert: Path, tmp_path: Path) -> None:
    texts, labels = ordered(200)
    given = cappy.Classifier(scorer=cappy.load(shared_bert), instruction="{text} cat?")
    epochs = 12 if chosen == "trained" else 1
    found = finetune_classifier(given, texts, labels, tmp_path / "mine", tuning=Tuning(rate, epochs, patience=20))
    held = found.compared.held_out
    assert 30 < held < 60
    assert found.compared.chosen == chosen
    assert len(found.classifier.left_out_proba_) == len(found.judged) == (200 if chosen == "head" else held)
    assert not hasattr(given, "head_")  # what was given is as it was
    again = cappy.Classifier.load(tmp_path / "mine")
    assert np.allclose(again.predict_proba(texts[:9]), found.classifier.predict_proba(texts[:9]), atol=1e-3)


def test_a_fifth_of_every_label_is_held_out_and_equal_texts_together() -> None:
    texts = [f"a {n % 44}" for n in range(88)] + [f"b {n}" for n in range(6)] + ["c 1", "c 2"]
    labels = [text[0] for text in texts]
    held = held_out(texts, labels, 0)
    assert len({texts[place] for place in held if labels[place] == "a"}) == 9  # of 44 different ones
    assert [labels[place] for place in held].count("b") == [labels[place] for place in held].count("c") == 1
    rest = set(range(len(texts))) - set(held)
    assert not {texts[place] for place in held} & {texts[place] for place in rest}
    assert held_out(texts, labels, 1) != held
    with pytest.raises(InputError, match="two distinct texts of every label; 'c' has fewer"):
        held_out(texts[:-1], labels[:-1], 0)
    with pytest.raises(InputError, match="50 distinct texts or more, but there are 44"):
        held_out(texts[:88], labels[:88], 0)


def test_what_cannot_be_trained_on_is_refused(shared_bert: Path, tmp_path: Path) -> None:
    scorer = cappy.load(shared_bert)
    several = cappy.Classifier(["cat", "dog"], scorer=scorer, multi_label=True)
    with pytest.raises(InputError, match="one label per text"):
        finetune_classifier(several, ["a cat"], [["cat"]], tmp_path / "a")
    with pytest.raises(InputError, match="does not support reject"):
        finetune_classifier(cappy.Classifier(scorer=scorer, reject=0.9), *ordered(60), tmp_path / "a")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="name a new folder"):
        finetune_classifier(cappy.Classifier(scorer=scorer), *ordered(60), tmp_path)
