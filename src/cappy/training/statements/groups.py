"""Statement pairs as groups: many prompts, with two or three answers to choose from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from cappy.group import Candidate, Group
from cappy.training.passages import Passage
from cappy.training.recipes import Statements
from cappy.training.statements.pairs import (
    Pair,
    embedded_pairs,
    paraphrase_pairs,
    passage_pairs,
    summary_pairs,
)
from cappy.training.statements.questions import question_pairs

TASK = "statements"

_TEXTS = (
    "{premise}",
    "{premise}",
    "{premise}",
    "Text: {premise}",
    "Read this:\n{premise}",
    "Facts: {premise}",
    "Source: {premise}",
    "Here is what we know: {premise}",
    'Someone reports: "{premise}"',
    "From an article: {premise}",
    "We are told: {premise}",
    "Passage:\n{premise}",
)
_STATEMENTS = (
    "Statement: {statement}",
    'Statement: "{statement}"',
    "Claim: {statement}",
    "To check: {statement}",
    "Sentence: {statement}",
    '"{statement}"',
    "{statement}",
    "Somebody concludes: {statement}",
    "Here is a claim: {statement}",
)
_QUESTIONS = (
    "Does the text support this?",
    "According to the text, is this so?",
    "Would you agree, from the text alone?",
    "Is this right, as far as the text tells?",
    "Would a careful reader agree?",
    "Is that what the text says?",
    "Are we told so?",
    "Is it so?",
    "Does that agree with the text?",
)
_ASKED_OF = (
    'Can we be sure that "{statement}"?',
    "Would you agree that the following holds? {statement}",
    'Does it say that "{statement}"?',
    'Is "{statement}" right?',
    "So is this right? {statement}",
    "{statement} Right?",
    "Does this sentence agree with the text? {statement}",
    'Do we learn that "{statement}"?',
    "Is this so? {statement}",
)
_THREE: tuple[dict[str, str], ...] = (
    {"follows": "Yes", "contradicts": "No", "open": "Maybe"},
    {"follows": "True", "contradicts": "False", "open": "Unknown"},
    {"follows": "It follows", "contradicts": "It contradicts the text", "open": "The text does not say"},
    {"follows": "Right", "contradicts": "Wrong", "open": "Cannot be told"},
    {"follows": "Certainly", "contradicts": "Certainly not", "open": "Perhaps"},
    {"follows": "Supported", "contradicts": "Refuted", "open": "Not enough information"},
)
_TWO: tuple[tuple[str, str], ...] = (
    ("Yes", "No"),
    ("yes", "no"),
    ("True", "False"),
    ("Right", "Wrong"),
    ("It does follow", "It does not follow"),
    ("Supported", "Not supported"),
)
_LISTING = (
    "{asked} {options}?",
    "{asked}\nOptions: {options}",
    "{options}?\n\n{asked}",
    "{asked} Answer with {options}.",
)


def statement_groups(groups: Sequence[Group], texts: Sequence[Passage], plan: Statements, seed: int) -> Iterator[Group]:
    """Yield up to `plan.groups` groups from training `groups` and passages; more if `groups` alone yield more."""
    made = statement_pairs(groups, texts, plan, seed)
    yield from rendered([pair for pairs in made.values() for pair in pairs], seed)


def statement_pairs(
    groups: Sequence[Group], texts: Sequence[Passage], plan: Statements, seed: int
) -> dict[str, list[Pair]]:
    """Return the pairs that groups are made from, by kind."""
    made = {
        "summaries": list(summary_pairs(groups, seed)),
        "questions": list(question_pairs(groups, seed)),
        "paraphrases": list(paraphrase_pairs(groups, seed)),
    }
    left = max(0, plan.groups - sum(map(len, made.values())))
    made["under verbs"] = list(embedded_pairs(texts, min(left, round(plan.embedded * plan.groups)), seed))
    made["passages"] = list(passage_pairs(texts, left - len(made["under verbs"]), seed))
    return made


def rendered(pairs: Sequence[Pair], seed: int) -> Iterator[Group]:
    """Yield a group for each pair, with two or three choices; with two, "open" counts as not following."""
    draw = random.Random(f"{seed}:statements")
    for pair in pairs:
        asked = _asked(pair, draw)
        if pair.relation != "differs" and draw.random() < 0.6:
            words = draw.choice(_THREE)
            choices, right = list(words.values()), words[pair.relation]
            template = "three"
        else:
            yes, no = draw.choice(_TWO)
            choices, right = [yes, no], yes if pair.relation == "follows" else no
            template = "two"
        draw.shuffle(choices)
        if draw.random() < 0.5:
            options = f"{', '.join(choices[:-1])} or {choices[-1]}"
            asked = draw.choice(_LISTING).format_map({"asked": asked, "options": options})
        candidates = tuple(
            Candidate(text, float(text == right), "reference" if text == right else "choice") for text in choices
        )
        yield Group(asked, candidates, TASK, template)


def _asked(pair: Pair, draw: random.Random) -> str:
    """Ask whether a statement follows, in a random wording."""
    texts = {"premise": pair.premise, "statement": pair.statement}
    premise = draw.choice(_TEXTS).format_map(texts)
    if draw.random() < 0.3:
        parts = [premise, draw.choice(_ASKED_OF).format_map(texts)]
    else:
        parts = [premise, draw.choice(_STATEMENTS).format_map(texts)]
        if draw.random() < 0.3:
            parts.reverse()
        if draw.random() < 0.9:
            parts.append(draw.choice(_QUESTIONS))
    return draw.choice(("\n\n", "\n", " ")).join(parts)
