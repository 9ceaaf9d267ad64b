"""Classification: every choice is scored as a response to an instruction about the text; labels add a head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.batch import batch_offsets
from cappy.calibration.temperature import sigmoid, softmax
from cappy.classification.choices import read_texts, score_choices
from cappy.classification.examples import Learnt, Seen, example_weights, text_weights
from cappy.classification.head import Fitted, Head, fit_head
from cappy.classification.parameters import check_options, choice_texts
from cappy.classification.reject import reject_below
from cappy.classification.saved import SavedClassifier, Taught, read_classifier, unusable, write_classifier
from cappy.classification.targets import Truth, distinct, one_label, truth_of_many, truth_of_one
from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.scorer import Scorer

_PARAMETERS = (
    "choices",
    "instruction",
    "labels",
    "scorer",
    "batch_calibration",
    "class_weight",
    "reject",
    "multi_label",
)
CHUNK = 10_000
"""Texts classified at a time; the features of one take a few kilobytes."""
_LEARNT = ("classes_", "left_out_proba_", "offsets_", "head_", "report_", "threshold_", "_columns", "_seen")


class Classifier:
    """A text classifier made of a scorer, choices and an instruction template. Works without labels, learns from few.

    Follows scikit-learn's conventions (`fit`, `predict`, `predict_proba`, `classes_`, parameters by name), so it works
    in pipelines and grid searches. Without `fit` the classifier is zero-shot. `fit` with labels learns a head on the
    texts' features that corrects the scores (`cappy.classification`), in seconds and without torch; classes without an
    example stay zero-shot. `fit` with texts alone subtracts each choice's mean score (batch calibration).

    Args:
        choices: the responses that the scorer reads; by default the labels that `fit` gets ("card_arrival" is read as
            "card arrival").
        instruction: a template with `{text}`, and `{choices}` if the choices are to be listed.
        labels: what `predict` returns for each choice; by default the choices themselves.
        scorer: from `cappy.load`; by default the bundled one, loaded on first use.
        batch_calibration: how much of each choice's mean score `fit` subtracts if it gets texts without labels, in
            [0, 1]: 1 if no class is much more frequent than another, less if some are rare. It is ignored with labels,
            so that a search by accuracy cannot choose it.
        class_weight: how much the examples of each class count: a mapping from labels, or "balanced", which gives all
            classes the same total weight.
        reject: the share of answers that must be right, in (0, 1). `predict` then returns None for texts it is not
            sure enough about, judged by cross-validation on the labelled texts.
        multi_label: a text may have several labels, or none; every choice is judged by itself. `fit` then takes a list
            of labels per text, or a matrix [texts, classes] of 0 and 1. `predict` returns such a matrix, with columns
            in the order of `classes_`, which is that of `choices`; `predict_labels` returns lists.

    After a fit with labels, `report_` is a `Learnt`, and `left_out_proba_` [texts, classes] holds cross-validated
    probabilities of the labelled texts.

    """

    def __init__(
        self,
        choices: Sequence[str] = (),
        instruction: str = "{text}",
        labels: Sequence[Any] | None = None,
        scorer: Scorer | None = None,
        batch_calibration: float = 1.0,
        class_weight: Mapping[Any, float] | str | None = None,
        reject: float | None = None,
        multi_label: bool = False,
    ) -> None:
        """Store the parameters unchanged, as scikit-learn requires; they are checked on use."""
        self.choices = choices
        self.instruction = instruction
        self.labels = labels
        self.scorer = scorer
        self.batch_calibration = batch_calibration
        self.class_weight = class_weight
        self.reject = reject
        self.multi_label = multi_label

    def fit(
        self,
        X: Iterable[str] | None = None,  # noqa: N803  (scikit-learn's name)
        y: Sequence[Any] | None = None,
        sample_weight: Sequence[float] | None = None,
    ) -> Classifier:
        """Learn from labelled texts, or calibrate on unlabelled ones; without texts, only check the parameters.

        Without labels, the share `batch_calibration` of each class's mean logit over the texts is subtracted
        (`cappy.calibration.batch.batch_offsets`; after Zhou et al., 2024, arXiv 2309.17249), so the texts should be
        like those to be classified. `sample_weight` [texts], above 0, is how much each labelled text counts.

        Raises:
            InputError: the parameters, texts or labels cannot be used.

        """
        self._forget()
        known = self._labels(y)
        self._settle(known)
        if X is not None and known is None and not self.multi_label:
            self.offsets_ = batch_offsets(self._scores(X) / self._loaded().temperature, self.batch_calibration)
        if X is not None and known is not None:
            self._learn(self._read(X, known, sample_weight))
        return self

    def partial_fit(
        self,
        X: Iterable[str],  # noqa: N803  (scikit-learn's name)
        y: Sequence[Any],
        classes: Sequence[Any] | None = None,
        sample_weight: Sequence[float] | None = None,
    ) -> Classifier:
        """Learn from more labelled texts; those seen before are kept and not encoded again.

        The classes are those of `choices` or `labels`. If neither is given, the first call needs all of them in
        `classes` or in `y`.

        Raises:
            InputError: a label is new, or the texts or labels cannot be used.

        """
        known = self._labels(y)
        if known is None:
            raise InputError("partial_fit needs labels; fit takes texts without any.")
        if not hasattr(self, "classes_"):
            self._forget()
            self._settle(known if classes is None else [list(classes)] if self.multi_label else list(classes))
        more = self._read(X, known, sample_weight)
        seen: Seen | None = getattr(self, "_seen", None)
        self._learn(more if seen is None else seen.and_more(more))
        return self

    def _labels(self, y: Any) -> Any:
        """Return one label per text, or with `multi_label` the labels as given."""
        return y if y is None or self.multi_label else one_label(y)

    def _settle(self, known: Any) -> None:
        """Decide the classes; `known` labels are used if there are no choices."""
        self._texts, labels = choice_texts(self.choices, self.labels, known, self.multi_label)
        check_options(self.instruction, self.batch_calibration, self.reject, self.class_weight, self.multi_label)
        self.classes_, self._columns = distinct(labels)
        if self.multi_label:  # the columns of a given matrix are in the order of the choices
            order = np.argsort(self._columns)
            self.classes_, self._columns = self.classes_[order], self._columns[order]
        self.offsets_ = np.zeros(len(labels))

    def _read(self, texts: Iterable[str], labels: Any, weights: Sequence[float] | None) -> Seen:
        """Encode labelled texts."""
        given = _list(texts)
        truth: Truth = (truth_of_many if self.multi_label else truth_of_one)(labels, self.classes_)
        if len(given) != len(truth):
            raise InputError(f"there are {len(given)} texts but {len(truth)} labels.")
        if not given:
            raise InputError("there are no texts to learn from.")
        counts = text_weights(weights, len(given))
        return Seen(*self._encode(given), truth, counts)

    def _learn(self, seen: Seen) -> None:
        """Fit the head on all texts seen, and the threshold below which to abstain."""
        fitted = self._fitted(seen)
        self._seen, self.head_, self.offsets_, coverage = seen, fitted.head, np.zeros(len(self.classes_)), 1.0
        if self.reject is not None:
            right = fitted.left_out.argmax(axis=1) == seen.truth.argmax(axis=1)
            confidence = fitted.left_out.max(axis=1)
            self.threshold_ = reject_below(confidence, right, self.reject)
            coverage = float((confidence >= self.threshold_).mean())
        self.left_out_proba_ = fitted.left_out
        shares = (fitted.zero_shot, fitted.alone, fitted.accuracy)
        measure = "F1" if self.multi_label else "right"
        self.report_ = Learnt(len(seen.truth), int(seen.truth.any(axis=0).sum()), *shares, coverage, measure)

    def _fitted(self, seen: Seen) -> Fitted:
        features, temperature = seen.features.astype(np.float64), self._loaded().temperature
        counts = seen.weights
        if not self.multi_label:
            counts = counts * example_weights(seen.truth.argmax(axis=1), self.classes_, self.class_weight)
        return fit_head(features, seen.scores, seen.truth, temperature, counts, independent=self.multi_label)

    def proba_without(self, places: Sequence[int]) -> NDArray[np.float64]:
        """Return probabilities [places, classes] of labelled texts, from a head fitted on all the others together.

        `places` are their indices among all texts seen. Nothing is encoded again.
        """
        seen: Seen = self._seen
        others = np.ones(len(seen.truth), dtype=bool)
        others[list(places)] = False
        asked = seen.part(np.asarray(places, dtype=np.int64))
        logits = self._fitted(seen.part(others)).head.logits(asked.features.astype(np.float64), asked.scores)
        return sigmoid(logits) if self.multi_label else softmax(logits)

    def save(self, folder: Path | str) -> Path:
        """Write the scorer, the choices and what was learnt into a folder, atomically, and return the folder.

        `Classifier.load` reads it; `cappy.load` loads its scorer. Labels must be strings, numbers or booleans.

        Raises:
            InputError: the folder exists and holds something else, or a label cannot be saved.

        """
        if not hasattr(self, "classes_"):
            self.fit()
        parameters = {name: getattr(self, name) for name in _PARAMETERS if name not in ("scorer", "labels", "choices")}
        taught = None
        if hasattr(self, "head_"):
            taught = Taught(self.head_, self._seen, self.report_, getattr(self, "threshold_", None))
        saved = SavedClassifier({**parameters, **self.named_classes()}, self.offsets_, taught)
        return write_classifier(Path(folder), self._loaded().checkpoint.folder, saved)

    def named_classes(self) -> dict[str, list[Any]]:
        """Return `choices` and `labels` after a fit, as parameters that give the same classes whatever the examples."""
        by_choice = dict(zip(self._columns.tolist(), self.classes_.tolist(), strict=True))
        return {"choices": list(self._texts), "labels": [by_choice[place] for place in range(len(self._texts))]}

    @classmethod
    def load(cls, folder: Path | str, **options: Any) -> Classifier:
        """Read a classifier written by `save`; `options` are those of `cappy.load`.

        Raises:
            CheckpointError: the folder holds no classifier, or is damaged.

        """
        from cappy.scorer import load

        saved = read_classifier(Path(folder))
        parameters = {name: saved.parameters[name] for name in _PARAMETERS if name in saved.parameters}
        found = cls(**parameters, scorer=load(folder, **options))
        try:
            found.fit()
        except (TypeError, InputError) as error:
            raise unusable(Path(folder), error) from error
        found.offsets_ = saved.offsets
        if saved.taught is not None:
            found.head_, found._seen, found.report_ = saved.taught.head, saved.taught.seen, saved.taught.report
            if saved.taught.threshold is not None:
                found.threshold_ = saved.taught.threshold
        return found

    def decision_function(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return logits [texts, classes]; for two classes the margin of the second [texts], as in scikit-learn."""
        logits = self._logits(X)
        two: NDArray[np.float64] = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
        return logits if self.multi_label else two

    def _logits(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Return logits [texts, classes]: the head's, or the scores divided by the scorer's temperature."""
        if not hasattr(self, "classes_"):
            self.fit()
        given = _list(texts)
        parts = [self._part(given[start : start + CHUNK]) for start in range(0, max(1, len(given)), CHUNK)]
        return np.concatenate(parts)

    def _part(self, texts: Sequence[str]) -> NDArray[np.float64]:
        head: Head | None = getattr(self, "head_", None)
        if head is not None:
            features, scores = self._encode(texts)
            return head.logits(features.astype(np.float64), scores)
        undecided = 0.5 if self.multi_label else 0.0
        found: NDArray[np.float64] = (self._scores(texts) - undecided) / self._loaded().temperature + self.offsets_
        return found

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return probabilities [texts, classes]; rows sum to 1 unless `multi_label` is set.

        They compare the choices with each other; for a figure of one response use `Scorer.score`.
        """
        logits = self._logits(X)
        return sigmoid(logits) if self.multi_label else softmax(logits)

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803  (scikit-learn's name)
        """Return the most likely label of each text [texts]; None where `reject` is set and it is not sure enough.

        Before a fit with labels `reject` has no effect. With `multi_label`, returns a matrix [texts, classes] of 0
        and 1.
        """
        shares = self.predict_proba(X)
        if self.multi_label:
            return (shares > 0.5).astype(np.int64)
        labels: NDArray[Any] = self.classes_[shares.argmax(axis=1)]
        if hasattr(self, "threshold_"):
            labels = labels.astype(object)
            labels[shares.max(axis=1) < self.threshold_] = None
        return labels

    def predict_labels(self, X: Iterable[str]) -> list[list[Any]]:  # noqa: N803  (scikit-learn's name)
        """Return the labels of each text as a list, most likely first; without `multi_label` at most one."""
        if not self.multi_label:
            return [[] if label is None else [label] for label in self.predict(X).tolist()]
        shares = self.predict_proba(X)
        names = self.classes_.tolist()
        return [[names[place] for place in np.argsort(-row, kind="stable") if row[place] > 0.5] for row in shares]

    def score(self, X: Iterable[str], y: Sequence[Any]) -> float:  # noqa: N803  (scikit-learn's name)
        """Return the accuracy on labelled texts, in [0, 1]. Abstaining counts as wrong.

        With `multi_label`, a text counts as right if all its labels are predicted and no other.
        """
        told = self.predict(X)
        right = truth_of_many(y, self.classes_) if self.multi_label else np.asarray(y)
        if len(right) != len(told):
            raise InputError(f"there are {len(told)} texts but {len(right)} labels.")
        return float(np.mean((told == right).all(axis=1) if self.multi_label else told == right))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` is ignored."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Classifier:
        """Set parameters by name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(f"Classifier has no parameter {name!r}.")
            setattr(self, name, value)
        self._forget()
        return self

    def _forget(self) -> None:
        for learnt in _LEARNT:
            self.__dict__.pop(learnt, None)

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn, the only caller."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False, multi_output=self.multi_label),
            classifier_tags=ClassifierTags(multi_label=self.multi_label),
            input_tags=InputTags(string=True, two_d_array=False, one_d_array=True),
            requires_fit=False,
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that the classifier is always fitted, since it works zero-shot."""
        return True

    @property
    def scorer_name(self) -> str:
        """The name of the scorer's checkpoint."""
        return self._loaded().checkpoint.folder.name

    def _loaded(self) -> Scorer:
        if self.scorer is None:
            from cappy.scorer import load

            self.scorer = load()
        return self.scorer

    def _encode(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return features [texts, features] and scores [texts, classes]."""
        features, scores = read_texts(self._loaded(), self.instruction, self._texts, texts, not self.multi_label)
        return features, scores[:, self._columns]

    def _scores(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Score every choice for every text: [texts, classes]."""
        scorer, nearness = self._loaded(), not self.multi_label
        return score_choices(scorer, self.instruction, self._texts, _list(texts), nearness)[:, self._columns]


def _list(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("texts must be a list, not one text.")
    return list(texts)
