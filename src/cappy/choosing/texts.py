"""What a sample's text tells by itself and beside its instruction: form, repetition, and what it copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_WORD = re.compile(r"\w+")
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
COPIED = ("words from the instruction", "pairs of words from it", "a part of it", "overlap with it")


def words(text: str) -> list[str]:
    """Return a text's words, in lower case."""
    return _WORD.findall(text.lower())


def repetition(words: Sequence[str]) -> float:
    """Return the share of runs of three words that stood before, in [0, 1)."""
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


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


def copied(text: str, instruction: str) -> list[float]:
    """Return what a text takes from its instruction, as `COPIED` lists it."""
    own, asked = words(text), words(instruction)
    pairs, there = set(pairwise(own)), set(pairwise(asked))
    vocabulary = set(asked)
    return [
        sum(word in vocabulary for word in own) / max(len(own), 1),
        len(pairs & there) / max(len(pairs), 1),
        float(bool(own) and text.strip().lower() in instruction.lower()),
        overlap(own, asked),
    ]


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the F1 of two lists of words, order aside, in [0, 1]."""
    if not one or not other:
        return 0.0
    common = sum((Counter(one) & Counter(other)).values())
    return 2 * common / (len(one) + len(other))
