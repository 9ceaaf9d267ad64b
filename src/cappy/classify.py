"""Classification by scoring every choice as a response to an instruction about the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.scorer import Scorer

TEMPERATURE = 0.15
"""Scores live in about [0, 1]; softmax of scores over this temperature is what training compares choices with."""


class Classifier:
    """A text classifier made of a scorer, choices and an instruction template; needs no training.

    Follows scikit-learn's conventions (`fit`, `predict`, `predict_proba`, `classes_`, parameters by
    name), so it works in pipelines and grid searches. `fit` with labels learns how this
    task's scores turn into probabilities, one offset a class and one scale; without it, or without
    labels, the classifier is zero-shot.

    Args:
        choices: what the scorer reads as possible responses.
        instruction: a template holding `{text}`, and `{choices}` if the choices shall be listed.
        labels: what `predict` returns for each choice; the choices themselves unless given.
        scorer: from `cappy.load`; the bundled one is loaded on first use unless given.

    """

    def __init__(
        self,
        choices: Sequence[str] = (),
        instruction: str = "{text}",
        labels: Sequence[Any] | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        """Keep the parameters as they are, as scikit-learn wants; they are checked on use."""
        self.choices = choices
        self.instruction = instruction
        self.labels = labels
        self.scorer = scorer

    def fit(self, X: Iterable[str] | None = None, y: Sequence[Any] | None = None) -> Classifier:  # noqa: N803
        """Calibrate on labelled texts; without labels only check the parameters.

        Raises:
            InputError: the parameters or labels cannot be used.

        """
        self._check()
        self.classes_ = np.array(list(self.labels if self.labels is not None else self.choices))
        self.scale_, self.offsets_ = 1 / TEMPERATURE, np.zeros(len(self.choices))
        if X is not None and y is not None:
            place = {label: number for number, label in enumerate(self.classes_.tolist())}
            try:
                targets = np.array([place[label] for label in np.asarray(y).tolist()])
            except KeyError as error:
                raise InputError(
                    f"label {error.args[0]!r} is not among the classes {self.classes_.tolist()}."
                ) from error
            scores = self._scores(X)
            if len(scores) != len(targets):
                raise InputError(f"there are {len(scores)} texts but {len(targets)} labels.")
            if len(targets):
                self.scale_, self.offsets_ = fit_calibration(scores, targets)
        return self

    def decision_function(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """Return calibrated logits [texts, classes]; zero-shot, the scores over the temperature."""
        if not hasattr(self, "classes_"):
            self.fit()
        return self._scores(X) * self.scale_ + self.offsets_

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """Return the softmax of the logits [texts, classes]; rows sum to 1.

        These compare the choices with each other; for a number that stands alone use `Scorer.score`.
        """
        logits = self.decision_function(X)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
        return shares

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803
        """Return the label of the best choice for each text [texts]."""
        best = self.decision_function(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def score(self, X: Iterable[str], y: Sequence[Any]) -> float:  # noqa: N803
        """Return the accuracy on labelled texts, in [0, 1]."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` is there for scikit-learn."""
        return {name: getattr(self, name) for name in ("choices", "instruction", "labels", "scorer")}

    def set_params(self, **params: Any) -> Classifier:
        """Set parameters by name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(f"Classifier has no parameter {name!r}.")
            setattr(self, name, value)
        return self

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

    def _check(self) -> None:
        if isinstance(self.choices, str) or len(self.choices) < 2:
            raise InputError("a classifier needs at least two choices.")
        if "{text}" not in self.instruction:
            raise InputError("the instruction template must hold {text} where the text goes.")
        if self.labels is not None and len(self.labels) != len(self.choices):
            raise InputError(f"there are {len(self.choices)} choices but {len(self.labels)} labels.")

    def _scores(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Score every choice for every text: [texts, choices]."""
        if isinstance(texts, str):
            raise InputError("texts must be a list, not one text.")
        if self.scorer is None:
            from cappy.scorer import load

            self.scorer = load()
        choices = list(self.choices)
        listed = ", ".join(choices)
        # Plain replacement, not str.format: texts and templates may hold braces of their own.
        groups = ((self.instruction.replace("{choices}", listed).replace("{text}", str(t)), choices) for t in texts)
        scores = [scored.scores for scored in self.scorer.score_groups(groups)]
        return np.array(scores, dtype=np.float64).reshape(len(scores), len(choices))


def fit_calibration(
    scores: NDArray[np.float64], targets: NDArray[np.int64], strength: float = 1.0, steps: int = 500
) -> tuple[float, NDArray[np.float64]]:
    """Fit a scale and class offsets that make softmax(scale * scores + offsets) likely (Platt, 1999; Guo et al., 2017).

    `scores` [texts, classes], `targets` [texts] class numbers. The fit leans towards the zero-shot
    values with a weight of `strength` texts, so that few labels cannot overturn it. Plain gradient descent: the problem
    is convex and has one unknown a class.
    """
    texts, classes = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    truth = np.eye(classes)[targets]
    log_scale, offsets = np.log(1 / TEMPERATURE), np.zeros(classes)
    start = log_scale
    for _ in range(steps):
        logits = np.exp(log_scale) * centred + offsets
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        error = (shares - truth) / texts
        offsets = offsets - 0.5 * (error.sum(axis=0) * classes + strength / texts * offsets)
        slope = float((error * centred).sum() * np.exp(log_scale)) + strength / texts * (log_scale - start)
        log_scale -= 0.5 * float(np.clip(slope, -1, 1))
    return float(np.exp(log_scale)), offsets
