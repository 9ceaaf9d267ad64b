"""Pairs of a text and a statement of which it is known whether it follows: found in groups of other tasks.

Five sources. A passage's own sentences, shortened (they follow), changed (they do not) or taken from elsewhere (the
text does not tell). Such sentences set under a verb that affirms them, denies them or leaves them open. Summaries:
that of a text follows. Questions about a passage, answered rightly or wrongly, as statements (in the manner of Demszky
et al., 2018, arXiv 1809.02922, by much simpler rules). Paraphrases, and sentences that are none.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cappy.data.text import normalise
from cappy.group import Group
from cappy.training.passages import MOST_OF_ONE, Passage, split_sentences
from cappy.training.statements.embedded import embed_sentence
from cappy.training.statements.rewriting import contradict, names_in, shorten, tidy

Relation = Literal["follows", "contradicts", "open", "differs"]
"""`differs`: it does not follow, and whether it contradicts the text is not known."""
RELATIONS: tuple[Relation, ...] = ("follows", "contradicts", "open")

SUMMARIES = ("gigaword", "xsum", "cnn_dailymail", "multi_news")
"""Tasks whose responses say in short what their instructions say."""
QUESTIONS = ("adversarial_qa", "quoref", "duorc")
"""Tasks that ask about a passage in their instructions, and whose answers stand in it."""
YES_NO = ("super_glue__boolq",)
"""Tasks that ask about a passage what is answered with yes or no."""
PARAPHRASES = ("paws",)
"""Tasks that ask whether two sentences say the same; what MRPC calls no paraphrase often follows all the same."""
_SAME = {"yes", "true", "equivalent"}
_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}

_PREMISE_WORDS = 110
_CAPTION = re.compile(r"^(?:sent(?:ence)? ?[12ab]|question|paragraph)\b:? *", re.IGNORECASE)
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


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, a statement, and what the text says about it."""

    premise: str
    statement: str
    relation: Relation


def passage_pairs(texts: Sequence[Passage], count: int, seed: int) -> Iterator[Pair]:
    """Yield up to `count` pairs from passages' own sentences, of all relations but `differs`."""
    draw = random.Random(f"{seed}:passage pairs")
    for number in range(min(count, MOST_OF_ONE * len(texts))):
        passage = texts[number % len(texts)]
        size = draw.choice((1, 1, 2, 3))
        start = draw.randrange(max(1, len(passage) - size + 1))
        premise = passage[start : start + size]
        relation = draw.choice((*RELATIONS, "follows"))  # shortening fails oftener than changing
        statement = _statement(relation, premise, passage, texts, draw)
        text = " ".join(premise)
        if statement and normalise(statement) != normalise(text) and len(text.split()) <= _PREMISE_WORDS:
            yield Pair(text, statement, relation)


def embedded_pairs(texts: Sequence[Passage], count: int, seed: int) -> Iterator[Pair]:
    """Yield up to `count` pairs of all relations but `differs`, in whose texts a sentence is set into another."""
    draw = random.Random(f"{seed}:embedded pairs")
    left = count
    for number in range(MOST_OF_ONE * len(texts)):
        if not left:
            return
        passage = texts[number % len(texts)]
        relation = draw.choice(RELATIONS)
        place = draw.randrange(len(passage))
        made = embed_sentence(passage[place], relation, " ".join(passage), draw)
        if not made:
            continue
        before = passage[max(0, place - draw.choice((0, 0, 1, 2))) : place]
        text = " ".join((*before, made[0]))
        if len(text.split()) <= _PREMISE_WORDS:
            left -= 1
            yield Pair(text, made[1], relation)


def summary_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield pairs of texts and their summaries, changed summaries, and summaries of other texts of that task."""
    draw = random.Random(f"{seed}:summary pairs")
    kept = [
        (group.task, premise, summary)
        for group in groups
        if group.task in SUMMARIES
        and (premise := _longest_paragraph(group))
        and (summary := _summary(group))
        and _told(summary, premise)
    ]
    others: dict[str, list[str]] = {}
    for task, _, summary in kept:
        others.setdefault(task, []).append(summary)
    for task, premise, summary in kept:
        yield Pair(premise, tidy(summary), "follows")
        if changed := contradict(summary, names_in(premise), draw):
            yield Pair(premise, changed, "contradicts")
        other = draw.choice(others[task])
        if not _told(other, premise):  # a name or number of its own: it cannot be about the same and say less
            yield Pair(premise, tidy(other), "open")


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


def paraphrase_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield the sentences of paraphrase tasks: a paraphrase follows."""
    draw = random.Random(f"{seed}:paraphrase pairs")
    for group in groups:
        if group.task not in PARAPHRASES or len(group.candidates) != 2:
            continue
        lines = [_CAPTION.sub("", line).strip() for line in group.instruction.split("\n")]
        told = [line for line in lines if len(line.split()) >= 5 and not line.endswith((":", "?", "not."))]
        if len(told) != 2:
            continue
        right = next((c.text for c in group.candidates if c.label == 1), "")
        if not right:
            continue
        first, second = draw.sample(told, 2)
        yield Pair(first, second, "follows" if normalise(right) in _SAME else "differs")


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


def _statement(
    relation: Relation, premise: Passage, passage: Passage, texts: Sequence[Passage], draw: random.Random
) -> str | None:
    sentence = draw.choice(premise)
    plain = shorten(sentence, draw) if draw.random() < 0.8 else None
    if relation == "open":
        elsewhere = draw.choice(texts)
        pool = [one for one in (passage if draw.random() < 0.7 else elsewhere) if one not in premise]
        if not pool:
            return None
        other = draw.choice(pool)
        return shorten(other, draw) or tidy(other)
    if relation == "follows":
        return plain or (tidy(sentence) if len(premise) > 1 else None)
    names = names_in(" ".join(passage)) + names_in(" ".join(draw.choice(texts)))
    return contradict(plain or tidy(sentence), names, draw)


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
    told = _sentences_of_longest(group)
    if group.task in YES_NO:
        right, wrong = (_YES_NO.get(normalise(one), "") for one in (right, wrong))
        premise = " ".join(told)
        fits = {right, wrong} == {"yes", "no"} and 8 <= len(premise.split()) <= _PREMISE_WORDS
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
        wider = [(a, b) for a, b in wider if (a, b) != (first, last) and _words(told[a:b]) <= _PREMISE_WORDS]
        if not wider:
            break
        first, last = min(wider, key=lambda ends: abs(ends[0] + ends[1] - 1 - 2 * place))
    text = " ".join(told[first:last])
    return text if 8 <= _words(told[first:last]) <= _PREMISE_WORDS else ""


def _words(told: Sequence[str]) -> int:
    return sum(len(one.split()) for one in told)


def _shares_sentence(one: str, other: str) -> bool:
    return not set(split_sentences(one)).isdisjoint(split_sentences(other))


def _sentences_of_longest(group: Group) -> list[str]:
    """Return the sentences of the text that a group's instruction is about, without questions."""
    paragraphs = re.split(r"\n\s*\n|\n===+\n", group.instruction)
    return [one for one in split_sentences(max(paragraphs, key=len)) if not one.rstrip().endswith("?")]


def _longest_paragraph(group: Group) -> str:
    """Return that text, cut to what training keeps."""
    text = _cut(" ".join(_sentences_of_longest(group)))
    return text if len(text.split()) >= 8 else ""


def _cut(text: str) -> str:
    return " ".join(text.split()[:_PREMISE_WORDS])


def _summary(group: Group) -> str:
    """Return the first sentence of a right response: the whole of a headline, the head of a longer summary.

    Nothing where the response is no summary, as where a text is asked for that fits one.
    """
    right = next((c.text for c in group.candidates if c.label == 1), "")
    first = (split_sentences(right) or [""])[0]
    return first if len(right) < 0.5 * len(group.instruction) and len(first.split()) <= 40 else ""


def _told(summary: str, premise: str) -> bool:
    """Tell whether a text holds the names and numbers of its summary: it may be cut, and summaries may add facts."""
    words = set(normalise(premise).split())
    facts = re.findall(r"\b[A-Z]\w{2,}|\d+", summary)
    return all(normalise(fact) in words for fact in facts)


def _question(instruction: str) -> str:
    """Return the question of an instruction: its only sentence that asks; several may be the text's own."""
    asked = [one for one in re.split(r"\n+|(?<=[.!?:])\s+", instruction) if one.strip().endswith("?")]
    plain = [one.strip() for one in asked if 4 <= len(one.split()) <= 30 and not _NO_QUESTION.search(one)]
    return _LEAD.sub("", plain[0]) if len(plain) == 1 else ""
