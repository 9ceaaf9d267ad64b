"""Features of a sample's text, alone and relative to its instruction: form, repetition, copying."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_WORD = re.compile(r"\w+")
READ = 20_000
"""Characters of an instruction that are compared with its samples."""
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


def words(text: str) -> list[str]:
    """Return a text's words in lower case."""
    return _WORD.findall(text.lower())


def repetition(words: Sequence[str]) -> float:
    """Return the share of three-word sequences that occurred before, in [0, 1)."""
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def form(text: str) -> list[float]:
    """Return the features of a text's form, in the order of `FORMS`."""
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


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction prepared for `copied`; a long one is reduced to its start and end."""

    text: str
    pairs: frozenset[tuple[str, str]]
    counts: Counter[str]

    @classmethod
    def of(cls, instruction: str) -> Asked:
        """Prepare an instruction."""
        text = bounded(instruction).lower()
        said = words(text)
        return cls(text, frozenset(pairwise(said)), Counter(said))


def bounded(text: str) -> str:
    """Return a text, reduced to its start and end if it is longer than `READ` characters."""
    return text if len(text) <= READ else f"{text[: READ // 2]} {text[-READ // 2 :]}"


def copied(text: str, asked: Asked) -> list[float]:
    """Return the features of what a text copies from its instruction, in the order of `COPIED`."""
    own = words(text)
    pairs = set(pairwise(own))
    return [
        sum(word in asked.counts for word in own) / max(len(own), 1),
        len(pairs & asked.pairs) / max(len(pairs), 1),
        float(bool(own) and text.strip().lower() in asked.text),
        _overlap(Counter(own), asked.counts),
    ]


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the F1 of two lists of words, ignoring order, in [0, 1]."""
    return _overlap(Counter(one), Counter(other))


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if one and other else 0.0
