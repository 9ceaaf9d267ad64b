"""One small model of all that is known of samples without examples of the task: what `combined` goes by.

Cappy's score, agreement among the samples, the language model's own likelihood, length, repetition and what is copied
from the instruction. It was fitted on answers whose worth is known, and is noted in the checkpoint whose scores it
weighs. Longer answers are often better, and often only longer. So the score has a veto: an answer that it puts well
below the best is not chosen, however much it says, and the rest decides among the others alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.choosing.texts import COPIED, Asked, copied, repetition, words
from cappy.errors import CheckpointError

Floats = NDArray[np.float64]

FEATURES = (
    "score",
    "agreement",
    "log-likelihood",
    "log-likelihood a token",
    "different words",
    "repetition",
    *COPIED,
)
"""Cappy's score; mean Rouge-L with the others; the language model's log-likelihood and its mean over tokens; the
logarithm of one more than the different words; the share of runs of three words that stood before; what is taken from
the instruction."""
KINDS = ("open", "short", "either")
"""Instructions that people judge answers to by how much they help; those with a short right answer; and what can be
said without knowing which."""
LONG = 30
"""Words of the median sample from which on an instruction is taken for an open one."""
LEAST = -60.0
"""The least log-likelihood that is told apart."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """Weights of `FEATURES`, in units of the score, whose own is 1, and how far below the best score is vetoed."""

    weights: tuple[float, ...]
    margin: float

    def values(self, features: Floats) -> Floats:
        """Value samples [samples] by their features [samples, features]; vetoed ones stand behind, by their score."""
        scores = features[:, 0]
        vetoed = scores < scores.max() - self.margin
        values: Floats = features @ np.array(self.weights)
        behind = values[~vetoed].min() - (scores.max() - scores)
        return np.where(vetoed, behind, values)


@dataclass(frozen=True, slots=True)
class Selection:
    """How the samples of each of `KINDS` are weighed."""

    kinds: Mapping[str, Weighing]

    @classmethod
    def read(cls, noted: Any, where: str) -> Selection:
        """Read what is noted in a checkpoint: for every kind an object of `weights` (by feature) and a `margin`.

        Features that are not named weigh nothing.

        Raises:
            CheckpointError: it cannot be read.

        """
        try:
            found = {kind: (dict(noted[kind]["weights"]), float(noted[kind]["margin"])) for kind in KINDS}
            kinds = {
                kind: Weighing(tuple(float(weights.get(name, 0.0)) for name in FEATURES), margin)
                for kind, (weights, margin) in found.items()
            }
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{where}: the selection noted under 'cappy' cannot be read ({error}).") from error
        unknown = sorted({name for weights, _ in found.values() for name in weights} - set(FEATURES))
        if unknown or not all(
            np.isfinite([*one.weights, one.margin]).all() and one.margin >= 0 for one in kinds.values()
        ):
            raise CheckpointError(
                f"{where}: the selection noted under 'cappy' must weigh some of {', '.join(FEATURES)}, by numbers, and "
                "have a margin from 0."
            )
        return cls(kinds)

    def usual(self, texts: Sequence[str]) -> Weighing:
        """Return how samples are weighed where nobody says of what kind the instruction is.

        Long answers are asked for by open instructions. Short ones may be to either kind, and what is right for one is
        wrong for the other: so that they are weighed by what holds for both.
        """
        length = np.median([len(words(text)) for text in texts])
        return self.kinds["open" if length >= LONG else "either"]


def is_former(noted: Any) -> bool:
    """Tell whether what a checkpoint notes has the form of before there were names: weights of other features."""
    kinds = noted.values() if isinstance(noted, Mapping) else ()
    return any(isinstance(one, Mapping) and isinstance(one.get("weights"), list) for one in kinds)


def describe(
    instruction: str, texts: Sequence[str], scores: Floats, agreement: Floats, sums: Floats, means: Floats
) -> Floats:
    """Return the features of samples [samples, features].

    Args:
        instruction: what was asked.
        texts: of the samples.
        scores: Cappy's [samples].
        agreement: mean Rouge-L with the other samples [samples].
        sums: log-likelihoods [samples], NaN where unknown.
        means: the same a token.

    """
    said = [words(text) for text in texts]
    columns = [
        scores,
        agreement,
        np.maximum(at_least(sums), LEAST),
        at_least(means),
        np.array([np.log1p(len(set(one))) for one in said]),
        np.array([repetition(one) for one in said]),
    ]
    asked = Asked.of(instruction)
    taken = np.array([copied(text, asked) for text in texts]).reshape(len(texts), len(COPIED))
    return np.concatenate([np.stack(columns, axis=1), taken], axis=1)


def at_least(values: Floats) -> Floats:
    """Put the least of what is known where nothing is; 0 where nothing is known at all."""
    known = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, known.min() if len(known) else 0.0)
