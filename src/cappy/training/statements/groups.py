"""Statement pairs as groups: asked in many words, answered in two or three."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from cappy.group import Candidate, Group
from cappy.training.passages import Passage
from cappy.training.recipes import Statements
from cappy.training.statements.pairs import (
    Pair,
    paraphrase_pairs,
    passage_pairs,
    question_pairs,
    summary_pairs,
)

TASK = "statements"

_ASKED = (
    "{premise}\n\nStatement: {statement}\n\nDoes the text support the statement?",
    "Text: {premise}\nStatement: {statement}\nAccording to the text, is this so?",
    'Read this:\n{premise}\n\nCan we be sure that "{statement}"?',
    "{premise}\n\nFrom this alone, would you agree that the following holds? {statement}",
    "Here is what we know: {premise}\n\nHere is a claim: {statement}\n\nHow do they go together?",
    "Claim: {statement}\n\nSource: {premise}\n\nWhat does the source say about the claim?",
    "{premise} So, {statement}",
    'A: {premise}\nB: "{statement}"\nIs B right, as far as A tells?',
    "Facts: {premise}\n\nTo check: {statement}",
    "{premise}\n\nCheck this sentence against the text above: {statement}",
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
_LISTING = ("{asked} {options}?", "{asked}\nOptions: {options}", "{options}?\n\n{asked}", "{asked} Answer {options}.")


def statement_groups(groups: Sequence[Group], texts: Sequence[Passage], plan: Statements, seed: int) -> Iterator[Group]:
    """Yield up to `plan.groups` groups (more, where `groups` alone give them) from training `groups` and passages."""
    pairs = [*summary_pairs(groups, seed), *question_pairs(groups, seed), *paraphrase_pairs(groups, seed)]
    pairs += passage_pairs(texts, max(0, plan.groups - len(pairs)), seed)
    yield from rendered(pairs, seed)


def rendered(pairs: Sequence[Pair], seed: int) -> Iterator[Group]:
    """Yield a group for each pair, of two or three choices; of two, what is open counts as not following."""
    draw = random.Random(f"{seed}:statements")
    for pair in pairs:
        asked = draw.choice(_ASKED).format_map({"premise": pair.premise, "statement": pair.statement})
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
