"""The text that a group's instruction is about, and its word overlap with a statement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training.passages import split_sentences


def word_set(listed: str) -> frozenset[str]:
    """Return the words of a space-separated list."""
    return frozenset(listed.split())


FEWEST_WORDS = 8
MOST_WORDS = 110
"""Minimum and maximum words of a text that a statement is about."""
_STEM = 5
"""Words are compared by this many first letters: "bridges" and "bridge", "opened" and "opening"."""
_COMMON = word_set(
    "about after also because been before being between does from have having into most much other over same "
    "some than that their them then there these they this those under very were what when where which while "
    "whom whose will with would your could should"
)
_LEAD = re.compile(
    r"^.{0,250}?\b(?:context|article|plot|passage|text|document|paragraph|sentence)\b[^.:?!\n]{0,30}:\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Template wording before a text: "Article: ", "Extract the answer from the following context. Context: "."""


def told_sentences(group: Group) -> list[str]:
    """Return the sentences of the text that a group's instruction is about, without caption and questions."""
    paragraphs = re.split(r"\n\s*\n|\n===+\n", group.instruction)
    text = max(paragraphs, key=len)
    while found := _LEAD.match(text):
        text = text[found.end() :]
    return [one for one in split_sentences(text.strip(' "“”,')) if "?" not in one]


def fitting(told: Sequence[str]) -> str:
    """Join sentences into one text; "" if it is too short or too long."""
    text = " ".join(told)
    return text if FEWEST_WORDS <= len(text.split()) <= MOST_WORDS else ""


def first_words(told: Sequence[str]) -> str:
    """Return the first `MOST_WORDS` words; "" if there are fewer than `FEWEST_WORDS`."""
    text = " ".join(" ".join(told).split()[:MOST_WORDS])
    return text if len(text.split()) >= FEWEST_WORDS else ""


def content(text: str) -> set[str]:
    """Return the content words of a text, each cut to its first `_STEM` letters."""
    return {word[:_STEM] for word in normalise(text).split() if len(word) > 3 and word not in _COMMON}


def share_held(statement: str, text: str) -> float:
    """Return the share of a statement's content words that a text contains, in [0, 1]; 0 if it has none."""
    wanted = content(statement)
    return len(wanted & content(text)) / len(wanted) if wanted else 0.0
