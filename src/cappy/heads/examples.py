"""Labelled texts as a head learns from them, and what is told of what they taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Learnt:
    """What labelled texts taught, measured on every text by what all others taught (leave-one-out), in [0, 1].

    `zero_shot`, `head` and `accuracy` are the shares that the scores get right, that a head without the scores gets
    right, and that the classifier gets right. `coverage` is the share of texts answered, where `reject` is set.
    """

    texts: int
    classes: int
    zero_shot: float
    head: float
    accuracy: float
    coverage: float = 1.0

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.texts} texts of {self.classes} classes; right when left out: {100 * self.accuracy:.1f}% "
            f"(scores alone {100 * self.zero_shot:.1f}, head alone {100 * self.head:.1f})"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Labelled texts as they are learnt from: features [texts, features], scores [texts, classes], targets [texts]."""

    features: NDArray[np.float32]
    scores: NDArray[np.float64]
    targets: NDArray[np.int64]

    def and_more(self, other: Seen) -> Seen:
        """Return these texts and then those."""
        return Seen(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.targets, other.targets]),
        )


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
            raise InputError("class_weight must give numbers above 0 to labels that there are.")
        of_class = np.array([float(wanted.get(label, 1)) for label in classes.tolist()])
    elif wanted is not None:
        raise InputError(f"class_weight must be a mapping from labels, or 'balanced', not {wanted!r}.")
    return np.asarray(of_class[targets], dtype=np.float64)
