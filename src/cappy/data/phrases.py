"""Sentences and short phrases from groups' texts: raw material for similarity groups."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from cappy.group import Group
from cappy.text.normalization import normalise

SENTENCE_WORDS = (5, 40)
PHRASE_LENGTHS = (1, 2, 2, 3, 3, 4, 5)
"""Lengths in words, drawn uniformly: class names mostly have two or three words."""
_BOILERPLATE = 12
"""A sentence in more groups than this belongs to a template: a row's own text is rendered only a few times."""
_COMMON = 0.005
"""A word in more than this share of sentences is too common to begin or end a phrase with."""
_CAPTION = re.compile(r"^(?:-|\W)*\w+(?: \w+)?: ")
"""Prefixes that templates put in front of a text: "Question: ", "Choice 1: "."""
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(groups: Iterable[Group], count: int, seed: int) -> list[str]:
    """Draw up to `count` distinct sentences of 5 to 40 words from instructions and responses.

    Sentences shared by many groups are left out, because they belong to a template.
    """
    found: Counter[str] = Counter()
    for group in groups:
        texts = (group.instruction, *(c.text for c in group.candidates if c.label))
        parts = (part for text in texts for part in SENTENCE_END.split(text))
        found.update({_CAPTION.sub("", part.strip()) for part in parts})
    fewest, most = SENTENCE_WORDS
    kept = sorted(
        text for text, times in found.items() if times <= _BOILERPLATE and fewest <= len(text.split()) <= most
    )
    random.Random(f"{seed}:sentences").shuffle(kept)
    return kept[:count]


def phrases(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """Draw up to `count` distinct runs of one to five words from `texts`, in lower case.

    A run stays within a clause and does not begin or end with a common word ("of the", "is a").
    """
    clauses = [_words(clause) for text in texts for clause in re.split(r"[^\w\s'’-]+", text)]
    frequency = Counter(word for clause in clauses for word in set(clause))
    common = {word for word, times in frequency.items() if times > max(20, _COMMON * len(texts))}
    draw = random.Random(f"{seed}:phrases")
    found: dict[str, None] = {}
    order = list(range(len(clauses)))
    draw.shuffle(order)
    for index in order:
        words = clauses[index]
        length = draw.choice(PHRASE_LENGTHS)
        if len(words) < length:
            continue
        start = draw.randrange(len(words) - length + 1)
        run = words[start : start + length]
        if _names_something(run, common):
            found[" ".join(run)] = None
        if len(found) == count:
            break
    return list(found)


def _words(clause: str) -> list[str]:
    return normalise(clause).split()


def _names_something(run: Sequence[str], common: set[str]) -> bool:
    ends = (run[0], run[-1])
    return not any(word in common or len(word) < 3 or word.isdigit() for word in ends)
