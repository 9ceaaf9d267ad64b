"""Classification by scoring every choice as a response to an instruction about the text, and by what labels teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.batch_calibration import batch_offsets, check_share
from cappy.errors import CheckpointError, InputError
from cappy.heads.examples import Learnt, Seen, example_weights
from cappy.heads.head import Head, fit_head
from cappy.heads.reject import reject_below
from cappy.heads.saved import SETTINGS_FILE, read_classifier, save_classifier
from cappy.heads.shortlist import MANY, shortlisted
from cappy.layout import truncate
from cappy.temperature import softmax

if TYPE_CHECKING:
    from cappy.scorer import Scorer

_PARAMETERS = ("choices", "instruction", "labels", "scorer", "batch_calibration", "class_weight", "reject")
CHUNK = 10_000
"""Texts classified at a time: their features take some kilobytes each."""
_LEARNT = ("classes_", "left_out_proba_", "offsets_", "head_", "report_", "threshold_", "_columns", "_seen")


class Classifier:
    """A text classifier made of a scorer, choices and an instruction template; works without a label, learns from few.

    Follows scikit-learn's conventions (`fit`, `predict`, `predict_proba`, `classes_`, parameters by name), so it works
    in pipelines and grid searches. Without `fit` the classifier is zero-shot. `fit` with labels learns a head on the
    texts' features that corrects the scores (`cappy.heads`), in seconds and without torch; classes without an example
    stay zero-shot. `fit` with texts alone takes away what each choice scores on average, whatever the text (batch
    calibration).

    Args:
        choices: what the scorer reads as possible responses; unless given, the labels that `fit` has
            ("card_arrival" is read as "card arrival").
        instruction: a template holding `{text}`, and `{choices}` if the choices shall be listed.
        labels: what `predict` returns for each choice; the choices themselves unless given.
        scorer: from `cappy.load`; the bundled one is loaded on first use unless given.
        batch_calibration: how much of each choice's mean score `fit` takes away where it has texts and no labels, in
            [0, 1]: all of it where no class is much more frequent than another, less where some are rare, 0 for
            nothing. With labels it means nothing, so that a search by accuracy cannot choose it.
        class_weight: how much the examples of each class count: a mapping from labels, or "balanced": every class the
            same, however many examples it has.
        reject: the share of answers that shall be right, in (0, 1): `predict` then answers None where it is less sure
            than that needs, judged by the labelled texts, each left out in turn.

    After a fit with labels `report_` is a `Learnt`, and `left_out_proba_` [texts, classes] has the probabilities of
    each text by what was learnt from all others.

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
    ) -> None:
        """Keep the parameters as they are, as scikit-learn wants; they are checked on use."""
        self.choices = choices
        self.instruction = instruction
        self.labels = labels
        self.scorer = scorer
        self.batch_calibration = batch_calibration
        self.class_weight = class_weight
        self.reject = reject

    def fit(self, X: Iterable[str] | None = None, y: Sequence[Any] | None = None) -> Classifier:  # noqa: N803  (scikit-learn's name)
        """Learn from labelled texts, or calibrate on unlabelled ones; without texts only check the parameters.

        Without labels, `batch_calibration` of each class's mean logit over the texts is taken away
        (`cappy.batch_calibration.batch_offsets`; after Zhou et al., 2024, arXiv 2309.17249). The texts shall be like
        those to come.

        Raises:
            InputError: the parameters, texts or labels cannot be used.

        """
        self._forget()
        known = None if y is None else np.asarray(y).tolist()
        labels = self._check(known)
        self.classes_, self._columns = _distinct(labels)
        self.offsets_ = np.zeros(len(labels))
        if X is not None and known is None:
            self.offsets_ = batch_offsets(self._scores(X) / self._loaded().temperature, self.batch_calibration)
        if X is not None and known:
            self._learn(self._read(X, known))
        return self

    def partial_fit(
        self,
        X: Iterable[str],  # noqa: N803  (scikit-learn's name)
        y: Sequence[Any],
        classes: Sequence[Any] | None = None,
    ) -> Classifier:
        """Learn from further labelled texts beside those seen before, which are not encoded again.

        `classes` is there for scikit-learn: the classes are those of `choices` or `labels`; where neither is given, the
        first call needs all of them here or in `y`.

        Raises:
            InputError: a label is new, or the texts or labels cannot be used.

        """
        known = np.asarray(y).tolist()
        if not hasattr(self, "classes_"):
            self._forget()
            self.classes_, self._columns = _distinct(self._check(known if classes is None else list(classes)))
            self.offsets_ = np.zeros(len(self.classes_))
        more = self._read(X, known)
        seen: Seen | None = getattr(self, "_seen", None)
        self._learn(more if seen is None else seen.and_more(more))
        return self

    def _read(self, texts: Iterable[str], labels: Sequence[Any]) -> Seen:
        """Encode labelled texts."""
        given = _list(texts)
        place = {label: number for number, label in enumerate(self.classes_.tolist())}
        try:
            targets = np.array([place[label] for label in labels], dtype=np.int64)
        except (KeyError, TypeError) as error:
            raise InputError(f"a label ({error}) is not among the classes {self.classes_.tolist()}.") from error
        if len(given) != len(targets):
            raise InputError(f"there are {len(given)} texts but {len(targets)} labels.")
        return Seen(*self._encode(given), targets)

    def _learn(self, seen: Seen) -> None:
        """Fit the head on all that was seen, and the threshold to abstain below."""
        if not len(seen.targets):
            return
        counts = example_weights(seen.targets, self.classes_, self.class_weight)
        features = seen.features.astype(np.float64)
        fitted = fit_head(features, seen.scores, seen.targets, self._loaded().temperature, counts)
        self._seen, self.head_, self.offsets_, coverage = seen, fitted.head, np.zeros(len(self.classes_)), 1.0
        if self.reject is not None:
            confidence, right = fitted.left_out.max(axis=1), fitted.left_out.argmax(axis=1) == seen.targets
            self.threshold_ = reject_below(confidence, right, self.reject)
            coverage = float((confidence >= self.threshold_).mean())
        self.left_out_proba_ = fitted.left_out
        shares = (fitted.zero_shot, fitted.alone, fitted.accuracy)
        self.report_ = Learnt(len(seen.targets), len(np.unique(seen.targets)), *shares, coverage)

    def save(self, folder: Path | str) -> Path:
        """Write the scorer, the choices and what was learnt into a folder, whole or not at all, and return it.

        `Classifier.load` reads it; as a scorer it loads like any checkpoint. Labels must be texts, numbers or truth
        values.

        Raises:
            InputError: the folder is there and holds something else, or a label cannot be kept.

        """
        if not hasattr(self, "classes_"):
            self.fit()
        head: Head | None = getattr(self, "head_", None)
        settings = {name: getattr(self, name) for name in _PARAMETERS if name not in ("scorer", "labels", "choices")}
        by_choice = dict(zip(self._columns.tolist(), self.classes_.tolist(), strict=True))
        settings |= {"choices": self._texts, "labels": [by_choice[place] for place in range(len(self._texts))]}
        arrays: dict[str, NDArray[Any]] = {"offsets": self.offsets_}
        if head is not None:
            seen: Seen = self._seen
            settings |= {"temperature": head.temperature, "scale": head.scale, "report": asdict(self.report_)}
            settings["threshold"] = getattr(self, "threshold_", None)
            arrays |= {"weight": head.weight.astype(np.float32), "features": seen.features.astype(np.float16)}
            arrays |= {"scores": seen.scores.astype(np.float32), "targets": seen.targets}
        return save_classifier(Path(folder), self._loaded().checkpoint.folder, settings, arrays)

    @classmethod
    def load(cls, folder: Path | str, **options: Any) -> Classifier:
        """Read a classifier that `save` wrote; `options` are those of `cappy.load`.

        Raises:
            CheckpointError: the folder holds none, or it is damaged.

        """
        from cappy.scorer import load

        settings, arrays = read_classifier(Path(folder))
        try:
            found = cls(
                **{name: settings[name] for name in _PARAMETERS if name != "scorer"}, scorer=load(folder, **options)
            )
            found.fit()
            found.offsets_ = arrays["offsets"]
            if "weight" in arrays:
                found._seen = Seen(
                    arrays["features"].astype(np.float32), arrays["scores"].astype(np.float64), arrays["targets"]
                )
                found.head_ = Head(arrays["weight"].astype(np.float64), settings["temperature"], settings["scale"])
                found.report_ = Learnt(**settings["report"])
                if settings["threshold"] is not None:
                    found.threshold_ = float(settings["threshold"])
        except (KeyError, TypeError, InputError) as error:
            raise CheckpointError(f"{folder}: {SETTINGS_FILE} cannot be used ({error}).") from error
        return found

    def decision_function(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return logits [texts, classes]: the scores over the scorer's temperature, or those of the head."""
        if not hasattr(self, "classes_"):
            self.fit()
        texts = _list(X)
        parts = [self._logits(texts[start : start + CHUNK]) for start in range(0, max(1, len(texts)), CHUNK)]
        return np.concatenate(parts)

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        head: Head | None = getattr(self, "head_", None)
        if head is None:
            found: NDArray[np.float64] = self._scores(texts) / self._loaded().temperature + self.offsets_
            return found
        features, scores = self._encode(texts)
        return head.logits(features.astype(np.float64), scores)

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return the softmax of the logits [texts, classes]; rows sum to 1.

        These compare the choices with each other; for a number that stands alone use `Scorer.score`.
        """
        return softmax(self.decision_function(X))

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803  (scikit-learn's name)
        """Return the label of the best choice for each text [texts]; None where `reject` wants more than it is sure of.

        Before a fit with labels nothing is known of how sure that must be, and every text is answered.
        """
        shares = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[shares.argmax(axis=1)]
        if hasattr(self, "threshold_"):
            labels = labels.astype(object)
            labels[shares.max(axis=1) < self.threshold_] = None
        return labels

    def score(self, X: Iterable[str], y: Sequence[Any]) -> float:  # noqa: N803  (scikit-learn's name)
        """Return the accuracy on labelled texts, in [0, 1]; where it abstains it is not right."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` is there for scikit-learn."""
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
        """Tell scikit-learn, which alone calls this, what kind of estimator this is."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(string=True, two_d_array=False, one_d_array=True),
            requires_fit=False,
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that a zero-shot classifier is always ready."""
        return True

    def _check(self, known: Sequence[Any] | None = None) -> list[Any]:
        """Check the parameters and return each choice's label; `known` labels stand in where no choice is given."""
        if isinstance(self.choices, str):
            raise InputError("a classifier needs at least two choices.")
        found = list(self.labels if self.labels is not None else self.choices)
        if not len(self.choices) and self.labels is None and known is not None:
            found = sorted(set(known), key=str)
        self._texts = list(self.choices) if len(self.choices) else [str(label).replace("_", " ") for label in found]
        if len(self._texts) < 2:
            raise InputError("a classifier needs at least two choices.")
        if not all(isinstance(choice, str) for choice in self._texts):
            raise InputError("choices must be texts; give labels to have something else predicted.")
        if len(set(self._texts)) < len(self._texts):
            raise InputError("a choice is given twice.")
        if "{text}" not in self.instruction:
            raise InputError("the instruction template must hold {text} where the text goes.")
        if len(found) != len(self._texts):
            raise InputError(f"there are {len(self._texts)} choices but {len(found)} labels.")
        check_share(self.batch_calibration)
        if self.reject is not None and not 0 < self.reject < 1:
            raise InputError(f"reject is {self.reject}, but must be a share between 0 and 1.")
        return found

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
        """Return features [texts, features] and scores [texts, choices]; the texts are read alone once for both."""
        states, checkpoint = self._loaded().states(texts), self._loaded().checkpoint
        return checkpoint.features(states), self._scores(texts, states)

    def _scores(self, texts: Iterable[str], states: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        """Score every choice for every text: [texts, choices]; `states` are the texts' own, where they are known."""
        choices, scorer = self._texts, self._loaded()
        _check_distinct(choices, scorer)
        given = [_text(number, text) for number, text in enumerate(_list(texts))]
        instructions = [fill(self.instruction, choices, text) for text in given]
        if len(choices) > MANY and scorer.checkpoint.nearness:
            embedded = scorer.checkpoint.embedded(scorer.states(given) if states is None else states)
            return shortlisted(scorer, embedded, instructions, choices)[:, self._columns]
        groups = [(instruction, choices) for instruction in instructions]
        scores = [scored.scores for scored in scorer.for_choices(choices).score_groups(groups)]
        return np.array(scores, dtype=np.float64).reshape(len(scores), len(choices))[:, self._columns]


def fill(template: str, choices: Sequence[str], text: str) -> str:
    """Put the choices and then the text into an instruction template."""
    # Plain replacement, not str.format: texts and templates may hold braces of their own.
    return template.replace("{choices}", ", ".join(choices)).replace("{text}", text)


def _check_distinct(choices: Sequence[str], scorer: Scorer) -> None:
    """Refuse choices that the scorer reads alike, which would silently share their probability.

    Raises:
        InputError: there are two.

    """
    read: dict[tuple[int, ...], str] = {}
    for choice, ids in zip(choices, scorer.checkpoint.tokenizer.encode(list(choices)), strict=True):
        kept = truncate(ids, scorer.limits.max_tokens - 2, "middle")[0]
        if kept in read:
            raise InputError(
                f"the scorer reads the choices {read[kept]!r} and {choice!r} alike; give one of them other words."
            )
        read[kept] = choice


def _list(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("texts must be a list, not one text.")
    return list(texts)


def _text(number: int, text: Any) -> str:
    if not isinstance(text, str):
        raise InputError(f"text {number} must be text, not {type(text).__name__}.")
    return text


def _distinct(labels: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the labels sorted, as scikit-learn wants classes, and each one's place among the choices.

    Raises:
        InputError: two choices have one label, or the labels are of several types.

    """
    classes, columns = np.unique(np.array(labels), return_index=True)
    if len({type(label) for label in labels}) > 1 or classes.ndim != 1 or len(classes) < len(labels):
        raise InputError("labels must be of one simple type, and every choice must have its own.")
    return classes, columns.astype(np.int64)
