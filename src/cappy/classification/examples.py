"""Labelled texts that a head learns from, and the report of what they taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Learnt:
    """What labelled texts taught, measured by cross-validation, in [0, 1].

    `zero_shot`, `head` and `accuracy` are the accuracies of the scores, of a head without the scores, and of the
    classifier; if `measure` is "F1", they are the F1 of all decisions whether a text has a label. `coverage` is the
    share of texts answered if `reject` is set.
    """

    texts: int
    classes: int
    zero_shot: float
    head: float
    accuracy: float
    coverage: float = 1.0
    measure: str = "right"

    def __str__(self) -> str:
        """Summarise in one line."""
        return (
            f"{self.texts} texts of {self.classes} classes; {self.measure} when left out: {100 * self.accuracy:.1f}% "
            f"(scores alone {100 * self.zero_shot:.1f}, head alone {100 * self.head:.1f})"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Encoded labelled texts.

    Features [texts, features], scores [texts, classes], truth [texts, classes] (which classes are right), and weights
    [texts] (how much each text counts).
    """

    features: NDArray[np.float32]
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def and_more(self, other: Seen) -> Seen:
        """Return these texts followed by the others."""
        return Seen(*map(np.concatenate, zip(self._columns(), other._columns(), strict=True)))

    def part(self, chosen: NDArray[Any]) -> Seen:
        """Return some of the texts, by indices or by a mask."""
        return Seen(*(column[chosen] for column in self._columns()))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.features, self.scores, self.truth, self.weights


def text_weights(given: Any, texts: int) -> NDArray[np.float64]:
    """Return how much each text counts [texts]; equal by default.

    Raises:
        InputError: the weights are not one number above 0 per text.

    """
    if given is None:
        return np.ones(texts)
    found = np.asarray(given, dtype=np.float64)
    if found.shape != (texts,) or not (np.isfinite(found) & (found > 0)).all():
        raise InputError(f"sample_weight must be one number above 0 for each of the {texts} texts.")
    return found


def example_weights(
    targets: NDArray[np.int64], classes: NDArray[Any], wanted: Mapping[Any, float] | str | None
) -> NDArray[np.float64]:
    """Return how much each example counts [texts].

    Raises:
        InputError: the class weights cannot be used.

    """
    of_class = np.ones(len(classes))
    if wanted == "balanced":
        of_class = 1 / np.maximum(np.bincount(targets, minlength=len(classes)), 1)
    elif isinstance(wanted, Mapping):
        unknown = set(wanted) - set(classes.tolist())
        if unknown or not all(0 < weight < np.inf for weight in wanted.values()):
            raise InputError("class_weight must give numbers above 0 to known labels.")
        of_class = np.array([float(wanted.get(label, 1)) for label in classes.tolist()])
    elif wanted is not None:
        raise InputError(f"class_weight must be a mapping from labels, or 'balanced', not {wanted!r}.")
    return np.asarray(of_class[targets], dtype=np.float64)
