from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import cappy
from cappy.calibration.batch import batch_offsets
from cappy.classifier import Classifier


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
    (lead,) = Classifier(choices, scorer=scorer).decision_function([text])
    assert lead == pytest.approx(scores[0] - scores[1], abs=1e-4)  # classes are sorted: good over bad
    assert scorer.for_choices(["good"]).score(TEXTS[0], "good") == pytest.approx(scorer.score(TEXTS[0], "good"))
    assert pickle.loads(pickle.dumps(fitting)).limits == fitting.limits


def test_braces_in_texts_are_just_text(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["good", "bad"], "{text} ?", scorer=scorer)
    good, bad = scorer.score("who { is } {choices} ?", ["good", "bad"]) / 0.15
    assert classifier.decision_function(["who { is } {choices}"]) == pytest.approx([good - bad], abs=1e-4)


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
    assert pipeline.decision_function(TEXTS) == pytest.approx((scores + offsets) @ [-1, 1], abs=1e-4)
    without = clone(classifier).set_params(batch_calibration=0)
    labels = [1, 0, 0]  # with which batch calibration means nothing
    learnt = [one.fit(TEXTS, labels).decision_function(TEXTS) for one in (clone(classifier), without)]
    assert learnt[0] == pytest.approx(learnt[1])
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
        ({"choices": ["a", "b"], "batch_calibration": 1.5}, "between 0 and 1"),
        ({"choices": ["a", "b"], "batch_calibration": "1"}, "not '1'"),
        ({"choices": ["a", "b"], "batch_calibration": float("nan")}, "between 0 and 1"),
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


TOPICS = ["the cat in the house", "a good dog", "river and fire", "the wind and the river", "a dog and a cat", "fire ?"]
KINDS = ["animal", "animal", "nature", "nature", "animal", "nature"]


def test_labels_alone_make_a_classifier(scorer: cappy.Scorer) -> None:
    classifier = Classifier(instruction="{text} ?", scorer=scorer).fit(TOPICS * 2, ["wild_animal", "wind"] * 6)
    assert classifier.classes_.tolist() == ["wild_animal", "wind"]
    zero_shot = Classifier(["wild animal", "wind"], "{text} ?", scorer=scorer)
    assert classifier.report_.zero_shot == zero_shot.score(TOPICS * 2, ["wild animal", "wind"] * 6)
    with pytest.raises(cappy.InputError, match="at least two choices"):
        Classifier(scorer=scorer).fit(TOPICS, ["one"] * 6)
    with pytest.raises(cappy.InputError, match="at least two choices"):
        Classifier(scorer=scorer).predict(TOPICS)


def test_what_is_learnt_is_better_than_nothing_and_is_told(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["nature", "animal"], "{text} ?", scorer=scorer).fit(TOPICS * 4, KINDS * 4)
    assert classifier.score(TOPICS, KINDS) == 1
    report = classifier.report_
    assert (report.texts, report.classes, report.accuracy) == (24, 2, 1)
    assert "24 texts of 2 classes; right when left out: 100.0%" in str(report)


def test_learning_in_parts_equals_learning_at_once(scorer: cappy.Scorer) -> None:
    whole = Classifier(["nature", "animal"], "{text} ?", scorer=scorer).fit(TOPICS, KINDS)
    parts = Classifier(["nature", "animal"], "{text} ?", scorer=scorer).partial_fit(TOPICS[:2], KINDS[:2])
    parts.partial_fit(TOPICS[2:], KINDS[2:])
    assert parts.decision_function(TOPICS) == pytest.approx(whole.decision_function(TOPICS), abs=1e-5)
    named = Classifier(scorer=scorer).partial_fit(TOPICS[:2], KINDS[:2], classes=["animal", "nature"])
    assert named.classes_.tolist() == ["animal", "nature"]
    with pytest.raises(cappy.InputError, match="not among the classes"):
        parts.partial_fit(["x"], ["plant"])
    again = whole.fit(TOPICS[:2], KINDS[:2])  # a fit begins from nothing
    assert again.report_.texts == 2


@pytest.mark.parametrize("weight", [None, "balanced"])
def test_what_others_teach_of_some_texts_equals_a_fit_without_them(scorer: cappy.Scorer, weight: str | None) -> None:
    texts, kinds, places = [*TOPICS * 3, "wind and rain"], [*KINDS * 3, "nature"], [1, 2, 8, 18]
    classifier = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, class_weight=weight).fit(texts, kinds)
    found = classifier.proba_without(places)
    others = [place for place in range(len(texts)) if place not in places]
    apart = Classifier(**classifier.get_params()).fit([texts[n] for n in others], [kinds[n] for n in others])
    assert found == pytest.approx(apart.predict_proba([texts[n] for n in places]), abs=1e-4)


def test_a_learnt_classifier_can_be_saved_pickled_and_taught_more(scorer: cappy.Scorer, tmp_path: Path) -> None:
    learnt = Classifier(["nature", "animal"], "{text} ?", labels=[7, 3], scorer=scorer, reject=0.5)
    learnt.fit(TOPICS * 2, [3 if kind == "animal" else 7 for kind in KINDS] * 2)
    loaded = Classifier.load(learnt.save(tmp_path / "mine"))
    for other in (loaded, pickle.loads(pickle.dumps(learnt))):
        assert other.predict(TOPICS).tolist() == learnt.predict(TOPICS).tolist()
        assert other.predict_proba(TOPICS) == pytest.approx(learnt.predict_proba(TOPICS), abs=1e-3)
        assert other.report_ == learnt.report_
        assert other.partial_fit(["wind"], [7]).report_.texts == 13
    assert cappy.load(tmp_path / "mine").score("a", "b") == pytest.approx(scorer.score("a", "b"))
    learnt.save(tmp_path / "mine")  # its own folder is replaced
    with pytest.raises(cappy.InputError, match="is not a classifier"):
        learnt.save(tmp_path)
    with pytest.raises(cappy.CheckpointError, match="is not a classifier"):
        Classifier.load(tmp_path)
    (tmp_path / "mine" / "classifier.json").write_text("{}")
    with pytest.raises(cappy.CheckpointError, match="cannot be used"):
        Classifier.load(tmp_path / "mine")
    unfitted = Classifier.load(Classifier(["nature", "animal"], scorer=scorer).save(tmp_path / "plain"))
    assert unfitted.predict(TOPICS).tolist() == Classifier(["nature", "animal"], scorer=scorer).predict(TOPICS).tolist()


def test_long_lists_are_classified_in_parts(scorer: cappy.Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier(["nature", "animal"], "{text} ?", scorer=scorer).fit(TOPICS, KINDS)
    whole = classifier.decision_function(TOPICS)
    monkeypatch.setattr("cappy.classifier.CHUNK", 4)
    assert classifier.decision_function(TOPICS) == pytest.approx(whole, abs=1e-5)
    assert classifier.decision_function([]).shape == (0,)
    assert classifier.predict_proba([]).shape == (0, 2)


@pytest.mark.parametrize(
    "pair", [("good", "Good"), ("the  cat", "the cat"), ("cat " * 99 + "dog", "cat " * 100 + "dog")]
)
def test_choices_that_the_scorer_reads_alike_are_refused(scorer: cappy.Scorer, pair: tuple[str, str]) -> None:
    with pytest.raises(cappy.InputError, match="alike; give one of them other words"):
        Classifier(["bad", *pair], "{text} ?", scorer=scorer).predict(TEXTS)


def test_rejecting_answers_only_what_is_sure(scorer: cappy.Scorer) -> None:
    noise = KINDS[::-1]
    unsure = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, reject=0.9).fit(
        TOPICS * 4, KINDS + noise + KINDS + noise
    )
    assert unsure.report_.coverage < 1
    assert None in unsure.predict(TOPICS).tolist()
    sure = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, reject=0.9).fit(TOPICS * 4, KINDS * 4)
    assert sure.report_.coverage == 1
    assert None not in sure.predict(TOPICS).tolist()
    with pytest.raises(cappy.InputError, match="reject is 1"):
        Classifier(["a", "b"], reject=1).fit()


def test_class_weights(scorer: cappy.Scorer) -> None:
    texts, kinds = ["wind"] * 9 + ["fire"], ["nature"] * 9 + ["animal"]
    plain, balanced, heavy = (
        Classifier(["nature", "animal"], "{text} ?", scorer=scorer, class_weight=weight).fit(texts, kinds)
        for weight in (None, "balanced", {"animal": 9.0})
    )
    chances = [one.predict_proba(["cat"])[0, 0] for one in (plain, balanced, heavy)]  # of animal
    assert chances[1] > chances[0]
    assert chances[2] == pytest.approx(chances[1], abs=1e-6)
    for wrong in ("even", {"plant": 1.0}, {"animal": 0.0}):
        with pytest.raises(cappy.InputError, match="class_weight"):
            Classifier(["nature", "animal"], scorer=scorer, class_weight=wrong).fit(texts, kinds)  # type: ignore[arg-type]


SEVERAL = [["animal"], ["animal"], ["nature"], ["nature"], ["animal"], []]


def test_texts_with_several_labels(scorer: cappy.Scorer, tmp_path: Path) -> None:
    zero_shot = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, multi_label=True)
    scores = np.array([scorer.score(f"{text} ?", ["nature", "animal"]) for text in TOPICS])
    assert zero_shot.predict(TOPICS).tolist() == (scores > 0.5).astype(int).tolist()
    assert zero_shot.predict_proba(TOPICS) == pytest.approx(1 / (1 + np.exp(-(scores - 0.5) / 0.15)), abs=1e-4)
    unfitted = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, multi_label=True)
    assert len(unfitted.predict_labels(TOPICS)) == 6
    learnt = clone_of(zero_shot).fit(TOPICS * 4, SEVERAL * 4)
    assert learnt.classes_.tolist() == ["nature", "animal"]  # as they were given: the order of columns
    assert learnt.predict_labels(TOPICS) == SEVERAL
    matrix = np.array([[label in one for label in learnt.classes_] for one in SEVERAL])
    assert learnt.score(TOPICS, SEVERAL) == learnt.score(TOPICS, matrix) == 1
    assert "6 when" not in str(learnt.report_)
    assert "F1 when left out" in str(learnt.report_)
    again = clone_of(zero_shot).fit(TOPICS * 4, np.tile(matrix, (4, 1)))
    assert again.predict_proba(TOPICS) == pytest.approx(learnt.predict_proba(TOPICS), abs=1e-5)
    loaded = Classifier.load(learnt.save(tmp_path / "mine"))
    assert loaded.predict_proba(TOPICS) == pytest.approx(learnt.predict_proba(TOPICS), abs=1e-3)
    assert loaded.partial_fit(["wind"], [["nature"]]).report_.texts == 25
    named = Classifier(scorer=scorer, multi_label=True).fit(TOPICS, SEVERAL)
    assert named.classes_.tolist() == ["animal", "nature"]
    parts = Classifier(scorer=scorer, multi_label=True).partial_fit(TOPICS[:2], SEVERAL[:2], ["animal", "nature"])
    parts.partial_fit(TOPICS[2:], SEVERAL[2:])
    assert parts.predict_proba(TOPICS) == pytest.approx(named.predict_proba(TOPICS), abs=1e-5)
    with pytest.raises(cappy.InputError, match="name its columns"):
        Classifier(scorer=scorer, multi_label=True).fit(TOPICS, matrix)
    with pytest.raises(cappy.InputError, match="one label each"):
        Classifier(["a", "b"], multi_label=True, reject=0.9).fit()
    with pytest.raises(cappy.InputError, match="multi_label=True"):
        Classifier(["nature", "animal"], scorer=scorer).fit(TOPICS, matrix)


def test_one_label_as_a_list(scorer: cappy.Scorer) -> None:
    classifier = Classifier(["nature", "animal"], "{text} ?", scorer=scorer, reject=0.5).fit(TOPICS * 2, KINDS * 2)
    assert [one or [None] for one in classifier.predict_labels(TOPICS)] == [[one] for one in classifier.predict(TOPICS)]
    with pytest.raises(cappy.InputError, match="no texts to learn from"):
        classifier.fit([], [])


def clone_of(classifier: Classifier) -> Classifier:
    return Classifier(**classifier.get_params())
