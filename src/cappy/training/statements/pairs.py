"""Pairs of a text and a statement with a known relation, made from groups of other tasks.

Statements are sentences of a passage that are shortened (they follow), changed (they contradict) or taken from
elsewhere (open); sentences embedded under a verb that affirms, denies or leaves them open; summaries of a text (they
follow); and paraphrases. `questions.py` makes statements from questions and answers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training.passages import MOST_OF_ONE, Passage, split_sentences
from cappy.training.statements.embedded import embed_sentence
from cappy.training.statements.rewriting import contradict, names_in, shorten, tidy
from cappy.training.statements.texts import MOST_WORDS, first_words, share_held, told_sentences

Relation = Literal["follows", "contradicts", "open", "differs"]
"""`differs`: the statement does not follow; whether it contradicts the text is unknown."""
RELATIONS: tuple[Relation, ...] = ("follows", "contradicts", "open")

SUMMARIES = ("gigaword", "cnn_dailymail")
"""Summarisation tasks. Not XSum, whose summaries add facts, nor Multi-News, which has several articles per row."""
_TOLD, _UNTOLD = 0.6, 0.3
"""A text that supports a summary contains at least this share of its words; one that does not, at most that share."""
_SHORT_FORM = re.compile(r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Mt|Jr|Sr|Sen|Rep|Gov|Gen|Col|Lt|Sgt|Cpl|Capt|vs|[A-Z]\.[A-Z])\.$")
"""The end of a sentence that was wrongly split after an abbreviation."""
PARAPHRASES = ("paws",)
"""Paraphrase tasks. Not MRPC, whose non-paraphrases often follow."""
_SAME = {"yes", "true", "equivalent"}

_CAPTION = re.compile(r"^(?:sent(?:ence)? ?[12ab]|question|paragraph)\b:? *", re.IGNORECASE)


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
        relation = draw.choice((*RELATIONS, "follows"))  # shortening fails more often than changing
        statement = _statement(relation, premise, passage, texts, draw)
        text = " ".join(premise)
        if statement and normalise(statement) != normalise(text) and len(text.split()) <= MOST_WORDS:
            yield Pair(text, statement, relation)


def embedded_pairs(texts: Sequence[Passage], count: int, seed: int) -> Iterator[Pair]:
    """Yield up to `count` pairs of all relations but `differs`, whose texts embed a sentence in another."""
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
        if len(text.split()) <= MOST_WORDS:
            left -= 1
            yield Pair(text, made[1], relation)


def summary_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield pairs of a text with its summary, a changed summary, or the summary of another text of the task."""
    draw = random.Random(f"{seed}:summary pairs")
    kept = [
        (group.task, premise, summary)
        for group in groups
        if group.task in SUMMARIES
        and (premise := first_words(told_sentences(group)))
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
        if share_held(other, premise) <= _UNTOLD:  # otherwise it may summarise a text on the same subject
            yield Pair(premise, tidy(other), "open")


def paraphrase_pairs(groups: Sequence[Group], seed: int) -> Iterator[Pair]:
    """Yield the sentence pairs of paraphrase tasks; a paraphrase follows."""
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


def _summary(group: Group) -> str:
    """Return the first sentence of a right response: a whole headline, or the beginning of a longer summary.

    Returns "" if the response is no summary (the prompt may ask for a text that fits one) or no whole sentence.
    """
    right = next((c.text for c in group.candidates if c.label == 1), "")
    first = (split_sentences(right) or [""])[0]
    whole = 4 <= len(first.split()) <= 40 and "?" not in first and not _SHORT_FORM.search(first)
    return first if whole and len(right) < 0.5 * len(group.instruction) else ""


def _told(summary: str, premise: str) -> bool:
    """Tell whether a text contains the names, numbers and most words of its summary.

    It may not: texts can be truncated, and summaries can add facts.
    """
    words = set(normalise(premise).split())
    facts = re.findall(r"\b[A-Z]\w{2,}|\d+", summary)
    return all(normalise(fact) in words for fact in facts) and share_held(summary, premise) >= _TOLD
