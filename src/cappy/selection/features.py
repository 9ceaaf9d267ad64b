"""Features of a language model's samples for the selector `learnt`: [samples, features].

They are Cappy's score, the language model's likelihood, agreement, length and form, what is copied from the
instruction, and similarity to known right answers: those to the most similar instructions, and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import COPIED
from cappy.selection.combined import LEAST, at_least
from cappy.text.features import FORMS, Asked, copied, form, overlap, words
from cappy.text.normalization import normalise

Floats = NDArray[np.float64]

SPREAD = 0.15
"""Added to the standard deviation of known answers' forms, because a few may be alike by chance."""
NEAREST, COMPARED = 3, 50
"""Number of known answers nearest by their instruction, and number compared in total."""
FEATURES = (
    "score",
    "agreement",
    "log-likelihood",
    "log-likelihood a token",
    "how often",
    "length",
    "repetition",
    "embedding: known answers",
    "embedding: instruction",
    *(f"form: {form}" for form in FORMS),
    "a known answer",
    *COPIED,
    "overlap with the nearest answers",
    "overlap with all answers",
    "most overlap with an answer",
)


@dataclass(frozen=True, slots=True)
class Samples:
    """An instruction's distinct samples, with features of each [samples].

    `sums` and `means` are log-likelihoods, total and per token, NaN if unknown; `counts` says how often each was drawn;
    `embedded` [samples, width] and `asked` [width] are embeddings of samples and instruction, of length 1.
    """

    instruction: str
    texts: tuple[str, ...]
    scores: Floats
    agreement: Floats
    sums: Floats
    means: Floats
    counts: Floats
    embedded: Floats
    asked: Floats


@dataclass(frozen=True, slots=True)
class Known:
    """A task's known right answers, with embeddings of them and of their instructions.

    `embedded` and `asked` are [answers, width], of length 1.
    """

    answers: tuple[str, ...]
    embedded: Floats
    asked: Floats

    def only(self, places: Iterable[int]) -> Known:
        """Return the answers at these indices."""
        kept = [int(place) for place in places]
        return replace(
            self,
            answers=tuple(self.answers[place] for place in kept),
            embedded=self.embedded[kept],
            asked=self.asked[kept],
        )


def describe(samples: Samples, known: Known) -> Floats:
    """Return the features of samples [samples, features], in the order of `FEATURES`."""
    if not samples.texts:
        return np.zeros((0, len(FEATURES)))
    forms = np.array([form(text) for text in samples.texts])
    answers = np.array([form(text) for text in known.answers])
    unlike = np.abs((forms - answers.mean(axis=0)) / (answers.std(axis=0) + SPREAD))
    usual = known.embedded.mean(axis=0)
    usual = usual / max(float(np.linalg.norm(usual)), 1e-9)
    said = {normalise(answer) for answer in known.answers}
    nearest = np.argsort(-(known.asked @ samples.asked), kind="stable")[:COMPARED]
    compared = [words(known.answers[place]) for place in nearest]
    columns = [
        samples.scores,
        samples.agreement,
        np.maximum(at_least(samples.sums), LEAST),
        at_least(samples.means),
        np.log1p(samples.counts),
        forms[:, 0],
        forms[:, FORMS.index("repetition")],
        samples.embedded @ usual,
        samples.embedded @ samples.asked,
    ]
    asked = Asked.of(samples.instruction)
    rest = [[float(normalise(text) in said), *copied(text, asked)] for text in samples.texts]
    alike = [overlaps(words(text), compared) for text in samples.texts]
    return np.concatenate([np.stack(columns, axis=1), -unlike, np.array(rest), np.array(alike)], axis=1)


def overlaps(own: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """Return the mean overlap with the nearest answers, the mean with all, and the largest."""
    found = [overlap(own, answer) for answer in answers]
    return [float(np.mean(found[:NEAREST])), float(np.mean(found)), max(found)]
