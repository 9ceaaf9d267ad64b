"""Classification by scoring every choice as a response to an instruction about the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cappy.batch_calibration import batch_offsets, check_share
from cappy.errors import InputError
from cappy.temperature import TEMPERATURE, softmax

if TYPE_CHECKING:
    from cappy.scorer import Scorer

_PARAMETERS = ("choices", "instruction", "labels", "scorer", "batch_calibration")


class Classifier:
    """A text classifier made of a scorer, choices and an instruction template; needs no training.

    Follows scikit-learn's conventions (`fit`, `predict`, `predict_proba`, `classes_`, parameters by
    name), so it works in pipelines and grid searches. Without `fit` the classifier is zero-shot. `fit` with labels
    learns how this task's scores turn into probabilities, one offset a class and one scale. `fit` with texts
    alone takes away what each choice scores on average, whatever the text (batch calibration).

    Args:
        choices: what the scorer reads as possible responses.
        instruction: a template holding `{text}`, and `{choices}` if the choices shall be listed.
        labels: what `predict` returns for each choice; the choices themselves unless given.
        scorer: from `cappy.load`; the bundled one is loaded on first use unless given.
        batch_calibration: how much of each choice's mean score `fit` takes away where it has texts and no labels, in
            [0, 1]: all of it where no class is much more frequent than another, less where some are rare, 0 for
            nothing. With labels it means nothing, so that a search by accuracy cannot choose it.

    """

    def __init__(
        self,
        choices: Sequence[str] = (),
        instruction: str = "{text}",
        labels: Sequence[Any] | None = None,
        scorer: Scorer | None = None,
        batch_calibration: float = 1.0,
    ) -> None:
        """Keep the parameters as they are, as scikit-learn wants; they are checked on use."""
        self.choices = choices
        self.instruction = instruction
        self.labels = labels
        self.scorer = scorer
        self.batch_calibration = batch_calibration

    def fit(self, X: Iterable[str] | None = None, y: Sequence[Any] | None = None) -> Classifier:  # noqa: N803  (scikit-learn's name)
        """Calibrate on labelled texts, or on unlabelled ones; without texts only check the parameters.

        Without labels, `batch_calibration` of each class's mean logit over the texts is taken away
        (`cappy.batch_calibration.batch_offsets`; after Zhou et al., 2024, arXiv 2309.17249). The texts shall be like
        those to come.

        Raises:
            InputError: the parameters, texts or labels cannot be used.

        """
        self._check()
        labels = list(self.labels if self.labels is not None else self.choices)
        self.classes_, self._columns = _distinct(labels)
        temperature = self._loaded().temperature
        self.scale_, self.offsets_ = 1 / temperature, np.zeros(len(labels))
        if X is not None and y is None:
            self.offsets_ = batch_offsets(self._scores(X) * self.scale_, self.batch_calibration)
        if X is not None and y is not None:
            place = {label: number for number, label in enumerate(self.classes_.tolist())}
            try:
                targets = np.array([place[label] for label in np.asarray(y).tolist()], dtype=np.int64)
            except (KeyError, TypeError) as error:
                raise InputError(f"a label ({error}) is not among the classes {self.classes_.tolist()}.") from error
            scores = self._scores(X)
            if len(scores) != len(targets):
                raise InputError(f"there are {len(scores)} texts but {len(targets)} labels.")
            if len(targets):
                self.scale_, self.offsets_ = fit_calibration(scores, targets, temperature=temperature)
        return self

    def decision_function(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return calibrated logits [texts, classes]; zero-shot, the scores over the scorer's temperature."""
        if not hasattr(self, "classes_"):
            self.fit()
        return self._scores(X) * self.scale_ + self.offsets_

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803  (scikit-learn's name)
        """Return the softmax of the logits [texts, classes]; rows sum to 1.

        These compare the choices with each other; for a number that stands alone use `Scorer.score`.
        """
        return softmax(self.decision_function(X))

    def predict(self, X: Iterable[str]) -> NDArray[Any]:  # noqa: N803  (scikit-learn's name)
        """Return the label of the best choice for each text [texts]."""
        best = self.decision_function(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def score(self, X: Iterable[str], y: Sequence[Any]) -> float:  # noqa: N803  (scikit-learn's name)
        """Return the accuracy on labelled texts, in [0, 1]."""
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
        for learned in ("classes_", "scale_", "offsets_", "_columns"):
            self.__dict__.pop(learned, None)
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
        if not all(isinstance(choice, str) for choice in self.choices):
            raise InputError("choices must be texts; give labels to have something else predicted.")
        if len(set(self.choices)) < len(self.choices):
            raise InputError("a choice is given twice.")
        if "{text}" not in self.instruction:
            raise InputError("the instruction template must hold {text} where the text goes.")
        if self.labels is not None and len(self.labels) != len(self.choices):
            raise InputError(f"there are {len(self.choices)} choices but {len(self.labels)} labels.")
        check_share(self.batch_calibration)

    def _loaded(self) -> Scorer:
        if self.scorer is None:
            from cappy.scorer import load

            self.scorer = load()
        return self.scorer

    def _scores(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Score every choice for every text: [texts, choices]."""
        if isinstance(texts, str):
            raise InputError("texts must be a list, not one text.")
        choices = list(self.choices)
        groups = ((fill(self.instruction, choices, _text(number, text)), choices) for number, text in enumerate(texts))
        scores = [scored.scores for scored in self._loaded().for_choices(choices).score_groups(groups)]
        return np.array(scores, dtype=np.float64).reshape(len(scores), len(choices))[:, self._columns]


def fill(template: str, choices: Sequence[str], text: str) -> str:
    """Put the choices and then the text into an instruction template."""
    # Plain replacement, not str.format: texts and templates may hold braces of their own.
    return template.replace("{choices}", ", ".join(choices)).replace("{text}", text)


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


def fit_calibration(
    scores: NDArray[np.float64],
    targets: NDArray[np.int64],
    strength: float = 1.0,
    steps: int = 50,
    temperature: float = TEMPERATURE,
) -> tuple[float, NDArray[np.float64]]:
    """Fit a scale and class offsets that make softmax(scale * scores + offsets) likely.

    A multinomial form of Platt's (1999) scaling. `scores` [texts, classes], `targets` [texts] class
    numbers. The fit minimises the negative log-likelihood plus `strength` / 2 times the squared distance
    from the zero-shot values (the scale measured in units of its own, 1 / `temperature`), so that few labels cannot
    overturn it. The problem is convex; Newton's steps are halved until they help.
    """
    texts, classes = scores.shape
    features = (scores - scores.mean(axis=1, keepdims=True)) / temperature
    truth = np.eye(classes)[targets]
    start = np.concatenate([[1.0], np.zeros(classes)])
    prior = strength * np.eye(classes + 1)

    def shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = values[0] * features + values[1:]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def loss(values: NDArray[np.float64]) -> float:
        likelihood = np.log(np.maximum(shares(values)[np.arange(texts), targets], 1e-300)).sum()
        return float(-likelihood + strength / 2 * ((values - start) ** 2).sum())

    values = start
    for _ in range(steps):
        share = shares(values)
        error = share - truth
        gradient = np.concatenate([[(error * features).sum()], error.sum(axis=0)]) + strength * (values - start)
        mean = (share * features).sum(axis=1, keepdims=True)
        curvature = np.empty((classes + 1, classes + 1))
        curvature[0, 0] = (share * (features - mean) ** 2).sum()
        curvature[0, 1:] = curvature[1:, 0] = (share * (features - mean)).sum(axis=0)
        curvature[1:, 1:] = np.diag(share.sum(axis=0)) - share.T @ share
        step = np.linalg.solve(curvature + prior, gradient)
        size = 1.0
        while size > 1e-6 and loss(values - size * step) > loss(values):
            size /= 2
        values = values - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return float(values[0] / temperature), values[1:]
