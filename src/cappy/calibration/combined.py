"""Weights of the `combined` selector, noted in the checkpoint whose scores they weigh.

They were fitted on answers whose worth is known. Longer answers are often better, and often only longer. So the score
has a veto: an answer scored well below the best is not chosen, however long it is, and the other features decide among
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import CheckpointError

Floats = NDArray[np.float64]

COPIED = ("words from the instruction", "pairs of words from it", "a part of it", "overlap with it")
"""Features of what a response takes from its instruction."""
FEATURES = (
    "score",
    "agreement",
    "log-likelihood",
    "log-likelihood a token",
    "different words",
    "repetition",
    *COPIED,
)
"""Cappy's score; mean Rouge-L with the other samples; the language model's log-likelihood, and its mean over tokens;
the logarithm of one more than the number of distinct words; the share of three-word runs that repeat; `COPIED`."""
KINDS = ("open", "short", "either")
"""Open instructions, whose answers people judge by how much they help; those with a short right answer; either."""


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


def is_former(noted: Any) -> bool:
    """Tell whether what a checkpoint notes has the form of before there were names: weights of other features."""
    kinds = noted.values() if isinstance(noted, Mapping) else ()
    return any(isinstance(one, Mapping) and isinstance(one.get("weights"), list) for one in kinds)
