from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.batch_calibration import batch_offsets
from cappy.classify import Classifier, fit_calibration


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert)


TEXTS = ["the movie is great", "the film is terrible", "who { is } {text} ?"]


def test_predicts_the_best_scored_choice(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["good", "bad"], "{text} {choices} ?", labels=[1, 0], scorer=scorer)
    expected = [scorer.rank(f"{text} good, bad ?", ["good", "bad"]).best.index for text in TEXTS]
    assert classifier.predict(TEXTS).tolist() == [[1, 0][index] for index in expected]
    assert classifier.classes_.tolist() == [0, 1]  # sorted, as scikit-learn's own scorers take for granted
    shares = classifier.predict_proba(TEXTS)
    assert shares.shape == (3, 2)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert classifier.predict([]).shape == (0,)


def test_long_texts_have_the_room_that_the_choices_leave(scorer: cappy.Scorer) -> None:
    text = " ".join(["river", "fire", "wind"] * 24)  # fits 96 tokens beside a choice of one, not beside a budget of 32
    choices = ["good", "bad"]
    assert scorer.rank(text, choices)[0].cut
    fitting = scorer.for_choices(choices)
    assert not fitting.rank(text, choices)[0].cut
    scores = fitting.score(text, choices) / 0.15
    logits = Classifier(choices, scorer=scorer).decision_function([text])[0]
    assert logits[::-1] == pytest.approx(scores, abs=1e-4)  # classes are sorted: bad, good
    assert scorer.for_choices(["good"]).score(TEXTS[0], "good") == pytest.approx(scorer.score(TEXTS[0], "good"))
    assert pickle.loads(pickle.dumps(fitting)).limits == fitting.limits


def test_braces_in_texts_are_just_text(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["good", "bad"], "{text} ?", scorer=scorer)
    assert scorer.score("who { is } {choices} ?", ["good", "bad"]) / 0.15 == pytest.approx(
        classifier.decision_function(["who { is } {choices}"])[0][::-1], abs=1e-4
    )


def test_works_in_a_scikit_learn_pipeline_and_search(scorer: cappy.Scorer) -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    classifier = Classifier(["good", "bad"], "{text} ?", scorer=scorer)
    assert is_classifier(classifier)
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, classifier).fit(TEXTS, ["good", "bad", "bad"])
    assert set(pipeline.predict(TEXTS)) <= {"good", "bad"}
    copy = clone(classifier)
    assert copy.get_params()["choices"] == ["good", "bad"]
    search = GridSearchCV(classifier, {"instruction": ["{text} ?", "what is {text}"]}, cv=2)
    search.fit(TEXTS * 4, ["good", "bad", "bad"] * 4)
    assert search.best_params_["instruction"] in ("{text} ?", "what is {text}")


@pytest.mark.parametrize(("classes", "texts"), [(3, 200), (20, 100), (77, 60)])
def test_calibration_finds_the_minimum_that_scipy_finds(classes: int, texts: int) -> None:
    from scipy.optimize import minimize

    random = np.random.default_rng(classes)
    scores = random.normal(0.3, 0.2, (texts, classes))
    targets = random.integers(0, 2, texts)  # most classes never occur
    features = (scores - scores.mean(axis=1, keepdims=True)) / 0.15
    start = np.concatenate([[1.0], np.zeros(classes)])

    def loss(values: np.ndarray) -> float:
        logits = values[0] * features + values[1:]
        normaliser = np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) + logits.max(axis=1)
        return float((normaliser - logits[np.arange(texts), targets]).sum() + 0.5 * ((values - start) ** 2).sum())

    scale, offsets = fit_calibration(scores, targets)
    best = minimize(loss, start, method="L-BFGS-B")
    fitted = np.concatenate([[scale * 0.15], offsets])
    assert loss(fitted) <= best.fun + 1e-3
    assert loss(fitted) < loss(start)


def test_calibrated_on_nearly_nothing_stays_zero_shot() -> None:
    scale, offsets = fit_calibration(np.array([[0.2, 0.3]]), np.array([1]))
    assert scale == pytest.approx(1 / 0.15, rel=0.5)
    assert abs(offsets).max() < 1


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_unlabelled_texts_take_away_what_a_choice_has_whatever_the_text(scorer: cappy.Scorer, share: float) -> None:
    choices = ["good", "bad", "river"]
    plain = Classifier(choices, "{text} ?", scorer=scorer)
    fitted = Classifier(choices, "{text} ?", scorer=scorer, batch_calibration=share).fit(TEXTS)
    logits = plain.decision_function(TEXTS)
    expected = logits - share * (logits.sum(axis=0) - logits.sum(axis=0).mean()) / (len(TEXTS) + 1)
    assert fitted.decision_function(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert fitted.decision_function(TEXTS[:1]) == pytest.approx(expected[:1], abs=1e-4)  # any text, not only these
    assert np.ptp(fitted.offsets_) > 0.01


def test_a_single_unlabelled_text_changes_no_answer(scorer: cappy.Scorer) -> None:
    zero_shot = Classifier(["good", "bad", "river"], "{text} ?", scorer=scorer).fit()
    for text in TEXTS:
        assert Classifier(zero_shot.choices, "{text} ?", scorer=scorer).fit([text]).predict([text]) == (
            zero_shot.predict([text])
        )
    assert zero_shot.fit([]).offsets_.tolist() == [0, 0, 0]
    assert zero_shot.set_params(batch_calibration=0).fit(TEXTS).offsets_.tolist() == [0, 0, 0]


def test_unlabelled_texts_in_a_pipeline_and_with_labels_in_another_order(scorer: cappy.Scorer) -> None:
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    classifier = Classifier(["good", "bad"], "{text} ?", labels=[1, 0], scorer=scorer, batch_calibration=0.5)
    assert clone(classifier).batch_calibration == 0.5
    pipeline = make_pipeline(FunctionTransformer(list), classifier).fit(TEXTS)
    scores = np.array([scorer.score(f"{text} ?", ["bad", "good"]) for text in TEXTS]) / scorer.temperature
    offsets = -0.5 * scores.sum(axis=0) / 4
    assert pipeline.decision_function(TEXTS) == pytest.approx(scores + offsets - offsets.mean(), abs=1e-4)
    without = clone(classifier).set_params(batch_calibration=0)
    labels = [1, 0, 0]  # with which batch calibration means nothing
    assert clone(classifier).fit(TEXTS, labels).offsets_ == pytest.approx(without.fit(TEXTS, labels).offsets_)
    with pytest.raises(cappy.InputError, match="list"):
        classifier.fit("one text")


def test_what_every_text_gives_a_choice_makes_no_difference_after_batch_calibration() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(5000, 4))
    liked = scores + np.array([3.0, 0.0, -1.0, 0.5])
    assert (liked.argmax(axis=1) == 0).mean() > 0.9
    chosen = (liked + batch_offsets(liked)).argmax(axis=1)
    assert np.bincount(chosen) / 5000 == pytest.approx([0.25] * 4, abs=0.02)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"choices": ["one"]}, "two choices"),
        ({"choices": "yes"}, "two choices"),
        ({"choices": ["a", "b"], "instruction": "no place"}, "text"),
        ({"choices": ["a", "b"], "labels": [1]}, "labels"),
        ({"choices": ["a", "b"], "labels": [1, 1]}, "its own"),
        ({"choices": ["a", "b"], "labels": [1, "x"]}, "one simple type"),
        ({"choices": ["a", "a"]}, "twice"),
        ({"choices": [1, 2]}, "texts"),
        ({"choices": ["a", "b"], "batch_calibration": 1.5}, "within 0 and 1"),
        ({"choices": ["a", "b"], "batch_calibration": "1"}, "not '1'"),
        ({"choices": ["a", "b"], "batch_calibration": float("nan")}, "within 0 and 1"),
    ],
)
def test_unusable_parameters_are_refused(parameters: dict[str, object], words: str) -> None:
    with pytest.raises(cappy.InputError, match=words):
        Classifier(**parameters).fit()  # type: ignore[arg-type]


def test_unusable_labels_are_refused(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["a", "b"], "{text}", scorer=scorer)
    with pytest.raises(cappy.InputError, match="not among the classes"):
        classifier.fit(["x"], ["c"])
    with pytest.raises(cappy.InputError, match="2 texts but 1 labels"):
        classifier.fit(["x", "y"], ["a"])
    with pytest.raises(cappy.InputError, match="list"):
        classifier.predict("one text")
    with pytest.raises(cappy.InputError, match="text 1 must be text, not NoneType"):
        classifier.predict(["x", None])  # type: ignore[list-item]


def test_new_parameters_forget_what_was_learnt(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["good", "bad"], "{text}", scorer=scorer).fit(["x", "y"], ["good", "bad"])
    classifier.set_params(choices=["one", "two", "three"])
    assert set(classifier.predict(["x"])) <= {"one", "two", "three"}
