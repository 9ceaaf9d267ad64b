"""The text that a group's instruction is about, and how much of a statement's words it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training.passages import split_sentences


def word_set(listed: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(listed.split())


FEWEST_WORDS = 8
MOST_WORDS = 110
"""Words of a text that a statement is about."""
_STEM = 5
"""Letters by which words are compared: "bridges" and "bridge", "opened" and "opening"."""
_COMMON = word_set(
    "about after also because been before being between does from have having into most much other over same "
    "some than that their them then there these they this those under very were what when where which while "
    "whom whose will with would your could should"
)
_LEAD = re.compile(
    r"^.{0,250}?\b(?:context|article|plot|passage|text|document|paragraph|sentence)\b[^.:?!\n]{0,30}:\s*",
    re.IGNORECASE | re.DOTALL,
)
"""What templates put in front of a text: "Article: ", "Extract the answer from the following context. Context: "."""


def told_sentences(group: Group) -> list[str]:
    """Return the sentences of the text that a group's instruction is about, without its caption and questions."""
    paragraphs = re.split(r"\n\s*\n|\n===+\n", group.instruction)
    text = max(paragraphs, key=len)
    while found := _LEAD.match(text):
        text = text[found.end() :]
    return [one for one in split_sentences(text.strip(' "“”,')) if "?" not in one]


def fitting(told: Sequence[str]) -> str:
    """Return sentences as one text, nothing if it is too short or too long."""
    text = " ".join(told)
    return text if FEWEST_WORDS <= len(text.split()) <= MOST_WORDS else ""


def first_words(told: Sequence[str]) -> str:
    """Return as much of the beginning as a text may have, nothing if there is too little."""
    text = " ".join(" ".join(told).split()[:MOST_WORDS])
    return text if len(text.split()) >= FEWEST_WORDS else ""


def content(text: str) -> set[str]:
    """Return the beginnings of a text's words that are not among the commonest: what it is about."""
    return {word[:_STEM] for word in normalise(text).split() if len(word) > 3 and word not in _COMMON}


def share_held(statement: str, text: str) -> float:
    """Return which share of a statement's words a text holds, within 0 and 1; 0 for a statement without any."""
    wanted = content(statement)
    return len(wanted & content(text)) / len(wanted) if wanted else 0.0
