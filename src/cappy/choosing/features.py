"""What is known of a language model's samples, beside a task's examples: [samples, features].

Cappy's score, what the language model thinks of them and how they agree, their length and form, what they take from
the instruction, and how like they are to answers that are known to be right: those to the most similar instructions,
and all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cappy.data.text import normalise
from cappy.selection import repetition

Floats = NDArray[np.float64]

_WORD = re.compile(r"\w+")
SPREAD = 0.15
"""Added to the spread of known answers' forms: few may be all alike by chance."""
NEAREST, COMPARED = 3, 50
"""Known answers that are nearest by their instruction, and those compared at all."""
FORMS = (
    "characters",
    "words",
    "digits",
    "capitals",
    "marks",
    "lines",
    "empty",
    "repetition",
    "begins with a capital",
    "ends as a sentence",
)
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
    "words from the instruction",
    "pairs of words from it",
    "a part of it",
    "overlap with it",
    "overlap with the nearest answers",
    "overlap with all answers",
    "most overlap with an answer",
)


@dataclass(frozen=True, slots=True)
class Samples:
    """An instruction's different samples, and what is known of each [samples].

    `sums` and `means` are log-likelihoods, NaN where unknown; `counts` how often each was drawn; `embedded` [samples,
    width] and `asked` [width] the embeddings of samples and instruction, of length 1.
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
    """A task's answers that are known to be right, with the embeddings of them and of their instructions.

    `embedded` and `asked` are [answers, width], of length 1.
    """

    answers: tuple[str, ...]
    embedded: Floats
    asked: Floats

    def only(self, places: Iterable[int]) -> Known:
        """Return some of them."""
        kept = [int(place) for place in places]
        return replace(
            self,
            answers=tuple(self.answers[place] for place in kept),
            embedded=self.embedded[kept],
            asked=self.asked[kept],
        )


def form(text: str) -> list[float]:
    """Return the form of a text, as `FORMS` lists it."""
    size = max(len(text), 1)
    return [
        float(np.log1p(len(text))),
        float(np.log1p(len(text.split()))),
        sum(character.isdigit() for character in text) / size,
        sum(character.isupper() for character in text) / size,
        sum(not character.isalnum() and not character.isspace() for character in text) / size,
        float("\n" in text),
        float(not text.strip()),
        repetition(text.lower().split()),
        float(text[:1].isupper()),
        float(text.rstrip()[-1:] in tuple(".!?")),
    ]


def describe(samples: Samples, known: Known) -> Floats:
    """Return what is known of samples [samples, features], in the order of `FEATURES`."""
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
        np.maximum(_at_least(samples.sums), -60.0),
        _at_least(samples.means),
        np.log1p(samples.counts),
        forms[:, 0],
        forms[:, FORMS.index("repetition")],
        samples.embedded @ usual,
        samples.embedded @ samples.asked,
    ]
    rest = [[float(normalise(text) in said), *copied(text, samples.instruction)] for text in samples.texts]
    alike = [overlaps(words(text), compared) for text in samples.texts]
    return np.concatenate([np.stack(columns, axis=1), -unlike, np.array(rest), np.array(alike)], axis=1)


def words(text: str) -> list[str]:
    """Return a text's words, in lower case."""
    return _WORD.findall(text.lower())


def copied(text: str, instruction: str) -> list[float]:
    """Return what a text takes from its instruction: words, pairs of words, the whole; and how much they overlap."""
    own, asked = words(text), words(instruction)
    pairs, there = set(pairwise(own)), set(pairwise(asked))
    vocabulary = set(asked)
    return [
        sum(word in vocabulary for word in own) / max(len(own), 1),
        len(pairs & there) / max(len(pairs), 1),
        float(bool(own) and text.strip().lower() in instruction.lower()),
        overlap(own, asked),
    ]


def overlaps(own: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
    """Return the mean overlap with the first answers, with all, and the most with one."""
    found = [overlap(own, answer) for answer in answers]
    return [float(np.mean(found[:NEAREST])), float(np.mean(found)), max(found)]


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the F1 of two lists of words, order aside, in [0, 1]."""
    if not one or not other:
        return 0.0
    common = sum((Counter(one) & Counter(other)).values())
    return 2 * common / (len(one) + len(other))


def _at_least(values: Floats) -> Floats:
    """Put the least of what is known where nothing is."""
    known = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, known.min() if len(known) else 0.0)
