"""Questions about a passage, answered rightly and wrongly, as statements.

In the manner of Demszky et al. (2018, arXiv 1809.02922), by much simpler rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cappy.data.text import normalise
from cappy.group import Group
from cappy.training.passages import split_sentences
from cappy.training.statements.pairs import PREMISE_WORDS, Pair, sentences_of_longest
from cappy.training.statements.rewriting import tidy

QUESTIONS = ("adversarial_qa", "quoref", "duorc")
"""Tasks that ask about a passage in their instructions, and whose answers stand in it."""
YES_NO = ("super_glue__boolq",)
"""Tasks that ask about a passage what is answered with yes or no."""
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_WH = re.compile(
    r"^(?:who (?!do\b|does\b|did\b|can\b|could\b|should\b|would\b|will\b)|what (?=(?:is|are|was|were)\b))",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:based on the (?:following|previous) (?:passage|text)|having read that, i wonder),? *", re.IGNORECASE
)
"""What templates put in front of a question."""
_THERE = re.compile(r"^(is|are|was|were) there (?:(an?|any) )?(?=\w)", re.IGNORECASE)
_NO_QUESTION = re.compile(r"\"|can you tell me|could you", re.IGNORECASE)


def question_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield pairs of passages and answers to a question: a right one, a wrong one, and one about another passage."""
    draw = random.Random(f"{seed}:question pairs")
    asked = [one for group in groups if (one := _answered(group))]
    for one in asked:
        right, wrong = as_statement(one.question, one.right, draw), as_statement(one.question, one.wrong, draw)
        yield Pair(one.premise, right, "follows")
        yield Pair(one.premise, wrong, "contradicts")
        other = draw.choice(asked)
        # Neighbours may ask about the same passage: what it tells of the other question's words is not known there.
        if draw.random() < 0.5 and not _shares_sentence(one.premise, other.premise):
            yield Pair(one.premise, as_statement(other.question, other.right, draw), "open")


def as_statement(question: str, answer: str, draw: random.Random) -> str:
    """Say a question and an answer as a statement."""
    asked = question.strip().rstrip("?").strip()
    said = answer.strip().rstrip(".")
    there = _THERE.match(asked)
    if there and said in ("yes", "no"):
        article, denial = there[2] or "", "no" if there[2] else "not"
        words = ("there", there[1], article if said == "yes" else denial, asked[there.end() :])
        return tidy(" ".join(filter(None, words)))
    found = _WH.match(asked)
    if found and len(said.split()) <= 8 and draw.random() < 0.8:
        return tidy(f"{said} {asked[found.end() :]}")
    form = draw.choice(('The answer to "{asked}?" is {said}.', "{asked}? {said}."))
    return tidy(form.format_map({"asked": asked, "said": said}))


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question about a passage with a right answer and a wrong one."""

    premise: str
    question: str
    right: str
    wrong: str


def _answered(group: Group) -> _Answered | None:
    """Find a group's passage, question and answers; none where what is kept of the passage need not tell them."""
    right = next((c.text for c in group.candidates if c.label == 1), "")
    wrong = next((c.text for c in group.candidates if not c.label), "")
    question = _question(group.instruction) if group.task in QUESTIONS + YES_NO else ""
    if not question or not right or not wrong:
        return None
    told = sentences_of_longest(group)
    if group.task in YES_NO:
        right, wrong = (_YES_NO.get(normalise(one), "") for one in (right, wrong))
        premise = " ".join(told)
        fits = {right, wrong} == {"yes", "no"} and 8 <= len(premise.split()) <= PREMISE_WORDS
    else:
        # The answer must be in what is left of the passage: a refusal, a title or what was cut away is not told by it.
        premise = _around(told, right)
        fits = bool(premise) and all(len(one) >= 3 and len(one.split()) <= 25 for one in (right, wrong))
    return _Answered(premise, question, right, wrong) if fits else None


def _around(told: Sequence[str], answer: str) -> str:
    """Return the sentence that holds an answer and as many of those around it as a text may have; nothing without."""
    wanted = normalise(answer)
    place = next((i for i, one in enumerate(told) if wanted in normalise(one)), None)
    if place is None or not wanted:
        return ""
    first, last = place, place + 1
    while True:
        wider = [(max(0, first - 1), last), (first, min(len(told), last + 1))]
        wider = [(a, b) for a, b in wider if (a, b) != (first, last) and _words(told[a:b]) <= PREMISE_WORDS]
        if not wider:
            break
        first, last = min(wider, key=lambda ends: abs(ends[0] + ends[1] - 1 - 2 * place))
    text = " ".join(told[first:last])
    return text if 8 <= _words(told[first:last]) <= PREMISE_WORDS else ""


def _words(told: Sequence[str]) -> int:
    return sum(len(one.split()) for one in told)


def _shares_sentence(one: str, other: str) -> bool:
    return not set(split_sentences(one)).isdisjoint(split_sentences(other))


def _question(instruction: str) -> str:
    """Return the question of an instruction: its only sentence that asks; several may be the text's own."""
    asked = [one for one in re.split(r"\n+|(?<=[.!?:])\s+", instruction) if one.strip().endswith("?")]
    plain = [one.strip() for one in asked if 4 <= len(one.split()) <= 30 and not _NO_QUESTION.search(one)]
    return _LEAD.sub("", plain[0]) if len(plain) == 1 else ""
