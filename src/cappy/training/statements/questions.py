"""Statements made from questions about a passage and their right and wrong answers.

The approach is that of Demszky et al. (2018, arXiv 1809.02922), with much simpler rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training.passages import split_sentences
from cappy.training.statements.pairs import Pair
from cappy.training.statements.rewriting import tidy
from cappy.training.statements.texts import MOST_WORDS, content, fitting, told_sentences

QUESTIONS = ("adversarial_qa", "quoref", "duorc")
"""Tasks with a question about a passage whose answer is in the passage."""
YES_NO = ("super_glue__boolq",)
"""Tasks with a yes/no question about a passage."""
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_WH = re.compile(
    r"^(?:who (?!do\b|does\b|did\b|can\b|could\b|should\b|would\b|will\b)|what (?=(?:is|are|was|were)\b))",
    re.IGNORECASE,
)
_INVERTED = re.compile(r"^(?:is|are|was|were) [A-Z]|\b(?:about|against|at|by|for|from|in|of|on|to|with)$")
"""Questions whose answer cannot simply replace the first word: "who is Lisa confronted by"."""
_LEAD = re.compile(
    r"^(?:question: *|based on the (?:following|previous) (?:passage|text),? *|having read that, i wonder,? *)+",
    re.IGNORECASE,
)
"""Template wording before a question."""
_ASKS = re.compile(
    r"^(?:(?:about|after|at|before|by|during|for|from|in|into|of|on|to|under|with) )?"
    r"(?:who|whom|whose|what|which|where|when|why|how)\b"
    r"|^(?:is|are|was|were|do|does|did|has|have|had|can|could|may|might|must|should|will|would)\b",
    re.IGNORECASE,
)
_THERE = re.compile(r"^(is|are|was|were) there (?:(an?|any) )?(?!any|no\b)(?=\w)", re.IGNORECASE)
_NO_QUESTION = re.compile(
    r"[\"“”]|can you|could you|would be the answer|\b(?:mentioned|article|passage|paragraph|context|text)\b",
    re.IGNORECASE,
)
"""Other template wording, and questions about the text's wording, which need the whole text."""
_REFUSAL = re.compile(r"can[’']?t answer|cannot|answerable|no answer", re.IGNORECASE)
_TOLD = 0.5
"""Of the words that question and passage share, the share that the kept part must contain."""


def question_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield pairs of a passage with a right answer, a wrong answer, or an answer about another passage."""
    draw = random.Random(f"{seed}:question pairs")
    asked = [one for group in groups if (one := _answered(group))]
    for one in asked:
        right, wrong = as_statement(one.question, one.right, draw), as_statement(one.question, one.wrong, draw)
        yield Pair(one.premise, right, "follows")
        yield Pair(one.premise, wrong, "contradicts")
        other = draw.choice(asked)
        # The two may ask about the same passage; then the other answer may follow.
        if draw.random() < 0.5 and not _shares_sentence(one.premise, other.premise):
            yield Pair(one.premise, as_statement(other.question, other.right, draw), "open")


def as_statement(question: str, answer: str, draw: random.Random) -> str:
    """Turn a question and an answer into a statement."""
    asked = question.strip().rstrip("?").strip()
    said = answer.strip().rstrip(".")
    there = _THERE.match(asked)
    if there and said in ("yes", "no"):
        article = there[2] or ""
        said_there = {"yes": "" if article == "any" else article, "no": "no" if article else "not"}
        words = ("there", there[1], said_there[said], asked[there.end() :])
        return tidy(" ".join(filter(None, words)))
    found = _WH.match(asked)
    if found and len(said.split()) <= 8 and not _INVERTED.search(asked[found.end() :]) and draw.random() < 0.8:
        return tidy(f"{said} {asked[found.end() :]}")
    form = draw.choice(('The answer to "{asked}?" is {said}.', "{asked}? {said}."))
    return tidy(form.format_map({"asked": asked, "said": said}))


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question about a passage, with a right and a wrong answer."""

    premise: str
    question: str
    right: str
    wrong: str


def _answered(group: Group) -> _Answered | None:
    """Find a group's passage, question and answers; None if the kept part of the passage may not support them."""
    question = _question(group.instruction) if group.task in QUESTIONS + YES_NO else ""
    rights = [c.text for c in group.candidates if c.label == 1]
    wrongs = [c.text for c in group.candidates if not c.label]
    if not question or not rights or not wrongs:
        return None
    told = told_sentences(group)
    if group.task in YES_NO:
        right, wrong = (_YES_NO.get(normalise(one[0]), "") for one in (rights, wrongs))
        premise = fitting(told) if {right, wrong} == {"yes", "no"} else ""
    else:
        right = rights[0]
        wrong = next((one for one in wrongs if all(_other_answer(one, known) for known in rights)), "")
        fits = all(len(one) >= 3 and len(one.split()) <= 25 for one in (right, wrong))
        premise = _around(told, right, question) if fits and not _REFUSAL.search(right + wrong) else ""
    return _Answered(premise, question, right, wrong) if premise else None


def _other_answer(one: str, other: str) -> bool:
    """Tell whether two answers share no word; "Denton" and "Joe Denton" do, as do "wood" and "wood products"."""
    mine, theirs = content(one) or set(normalise(one).split()), content(other) or set(normalise(other).split())
    return mine.isdisjoint(theirs)


def _around(told: Sequence[str], answer: str, question: str) -> str:
    """Return the part of a passage that answers a question: around the mention with most of the question's words.

    Returns "" if the answer is not mentioned, or if the part has too few of the question's words in the passage.
    """
    wanted = normalise(answer)
    places = [place for place, one in enumerate(told) if wanted and wanted in normalise(one)]
    parts = [_window(told, place) for place in places]
    asked = content(question) & content(" ".join(told))
    best = max(parts, key=lambda part: len(asked & content(part)), default="")
    return best if asked and len(asked & content(best)) >= _TOLD * len(asked) else ""


def _window(told: Sequence[str], place: int) -> str:
    """Return a sentence with as much context as `MOST_WORDS` allows; "" if the sentence alone is too long."""
    first, last = place, place + 1
    while True:
        wider = [(max(0, first - 1), last), (first, min(len(told), last + 1))]
        wider = [(a, b) for a, b in wider if (a, b) != (first, last) and _words(told[a:b]) <= MOST_WORDS]
        if not wider:
            return fitting(told[first:last])
        first, last = min(wider, key=lambda ends: abs(ends[0] + ends[1] - 1 - 2 * place))


def _words(told: Sequence[str]) -> int:
    return sum(len(one.split()) for one in told)


def _shares_sentence(one: str, other: str) -> bool:
    return not set(split_sentences(one)).isdisjoint(split_sentences(other))


def _question(instruction: str) -> str:
    """Return the only question in an instruction, up to its question mark.

    Returns "" if there are several, because some may belong to the text.
    """
    found = [one for one in re.split(r"\n+|(?<=[.!?:])\s+", instruction) if "?" in one]
    asked = dict.fromkeys(_LEAD.sub("", one.strip()).split("?")[0].strip() for one in found)
    plain = [one for one in asked if 4 <= len(one.split()) <= 30 and _ASKS.search(one) and not _NO_QUESTION.search(one)]
    return f"{plain[0]}?" if len(plain) == 1 else ""
