"""Weights of the `combined` selector, stored in the checkpoint whose scores they combine.

They were fitted on answers of known worth. Longer answers are often better, but sometimes only longer. So the score has
a veto: an answer scored well below the best is never chosen. The other features decide among the rest.
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
"""Features that measure how much a response copies from its instruction."""
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
log(1 + number of distinct words); the share of repeated trigrams; `COPIED`."""
KINDS = ("open", "short", "either")
"""Open instructions, whose answers people judge by helpfulness; instructions with a short right answer; either."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """Weights of `FEATURES`, where the score has weight 1, and the distance below the best score that is vetoed."""

    weights: tuple[float, ...]
    margin: float

    def values(self, features: Floats) -> Floats:
        """Value samples [samples] by features [samples, features]; vetoed ones rank last, ordered by score."""
        scores = features[:, 0]
        vetoed = scores < scores.max() - self.margin
        values: Floats = features @ np.array(self.weights)
        behind = values[~vetoed].min() - (scores.max() - scores)
        return np.where(vetoed, behind, values)


@dataclass(frozen=True, slots=True)
class Selection:
    """The weights for each of `KINDS`."""

    kinds: Mapping[str, Weighing]

    @classmethod
    def read(cls, noted: Any, where: str) -> Selection:
        """Read the selection stored in a checkpoint: for each kind an object with `weights` by feature and a `margin`.

        Missing features have weight 0.

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
            raise CheckpointError(f"{where}: the selection under 'cappy' cannot be read ({error}).") from error
        unknown = sorted({name for weights, _ in found.values() for name in weights} - set(FEATURES))
        if unknown or not all(
            np.isfinite([*one.weights, one.margin]).all() and one.margin >= 0 for one in kinds.values()
        ):
            raise CheckpointError(
                f"{where}: the selection under 'cappy' must have finite weights of {', '.join(FEATURES)}, and a margin "
                "of at least 0."
            )
        return cls(kinds)


def is_former(noted: Any) -> bool:
    """Tell whether a stored selection has the old format, with unnamed weights of other features."""
    kinds = noted.values() if isinstance(noted, Mapping) else ()
    return any(isinstance(one, Mapping) and isinstance(one.get("weights"), list) for one in kinds)
