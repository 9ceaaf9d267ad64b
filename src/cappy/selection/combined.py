"""The `combined` selector: a small linear model over the score and other features of samples, without examples.

`cappy.calibration.combined` reads its weights from a checkpoint; this module computes its features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import COPIED, Selection, Weighing
from cappy.text.features import Asked, copied, repetition, words

Floats = NDArray[np.float64]

LONG = 30
"""An instruction counts as open if its median sample has at least this many words."""
LEAST = -60.0
"""Log-likelihoods below this one are treated as equal to it."""


def usual_weighing(selection: Selection, texts: Sequence[str]) -> Weighing:
    """Return the weights to use when the kind of instruction is unknown.

    Only open instructions get long answers. Short answers may come from either kind, so they get the weights that were
    fitted on both.
    """
    length = np.median([len(words(text)) for text in texts])
    return selection.kinds["open" if length >= LONG else "either"]


def describe(
    instruction: str, texts: Sequence[str], scores: Floats, agreement: Floats, sums: Floats, means: Floats
) -> Floats:
    """Return the features of samples [samples, features].

    Args:
        instruction: what was asked.
        texts: of the samples.
        scores: Cappy's [samples].
        agreement: mean Rouge-L with the other samples [samples].
        sums: log-likelihoods [samples]; NaN if unknown.
        means: log-likelihoods per token [samples]; NaN if unknown.

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
