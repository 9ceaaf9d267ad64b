"""Passages: runs of consecutive sentences found in instructions, the raw material of derived groups."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from cappy.data.phrases import SENTENCE_END
from cappy.group import Group
from cappy.text.normalization import normalise

Passage = tuple[str, ...]
"""Sentences in order."""

FEWEST = 3
"""Minimum number of sentences in a passage."""
MOST_OF_ONE = 4
"""Maximum number of groups of one kind made from a passage."""
SENTENCE_WORDS = (4, 45)
_BOILERPLATE = 40
"""A sentence in more groups than this is template wording; a passage with many questions stays below it."""
_TEMPLATE_GROUPS = 10
"""Minimum number of groups needed to recognise a template's wording."""
_FORM = re.compile(
    r"^(?:question|answer|choices?|options?|choose|select|note|hint|context|article)\b|[:?]$", re.IGNORECASE
)
"""Beginnings and ends of sentences that ask rather than state something."""


def passages(groups: Iterable[Group], count: int, seed: int) -> list[Passage]:
    """Draw up to `count` different passages from paragraphs of instructions.

    A passage is a paragraph's longest run of at least `FEWEST` plain sentences; template wording and questions end a
    run.
    """
    found: Counter[str] = Counter()
    paragraphs: dict[str, None] = {}
    for group in groups:
        mine = [part.strip() for part in re.split(r"\n+", group.instruction) if part.count(" ") > 12]
        paragraphs.update(dict.fromkeys(mine))
        found.update({sentence for part in mine for sentence in split_sentences(part)})
    kept: dict[str, Passage] = {}
    for paragraph in paragraphs:
        run = _longest_run([(one, _plain(one) and found[one] <= _BOILERPLATE) for one in split_sentences(paragraph)])
        if len(run) >= FEWEST:
            kept.setdefault(normalise(run[0]), run)
    order = [kept[key] for key in sorted(kept)]
    random.Random(f"{seed}:passages").shuffle(order)
    return order[:count]


def unshared(groups: Sequence[Group], others: Iterable[Group]) -> list[Group]:
    """Return the `groups` that share no sentence with `others`, in the instruction or a right response.

    Only sentences of six words or more count. A sentence in most of a template's groups among `others` is template
    wording and is ignored.
    """
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sizes: Counter[tuple[str, str]] = Counter()
    for group in others:
        found[group.task, group.template].update(_long_sentences(group))
        sizes[group.task, group.template] += 1
    told: set[str] = set()
    wording: set[str] = set()
    for key, times in found.items():
        told.update(times)
        if sizes[key] >= _TEMPLATE_GROUPS:
            wording.update(one for one, count in times.items() if 2 * count > sizes[key])
    told -= wording
    return [group for group in groups if told.isdisjoint(_long_sentences(group))]


def _long_sentences(group: Group) -> set[str]:
    texts = (group.instruction, *(one.text for one in group.candidates if one.is_right))
    return {normalise(one) for text in texts for one in split_sentences(text) if one.count(" ") >= 5}


def split_sentences(text: str) -> list[str]:
    """Split at the ends of sentences and lines."""
    return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


def _plain(sentence: str) -> bool:
    fewest, most = SENTENCE_WORDS
    return (
        fewest <= len(sentence.split()) <= most
        and sentence[-1] in '.!"'
        and not _FORM.search(sentence)
        and "<" not in sentence
    )


def _longest_run(marked: Iterable[tuple[str, bool]]) -> Passage:
    best: list[str] = []
    run: list[str] = []
    for sentence, plain in marked:
        run = [*run, sentence] if plain else []
        best = run if len(run) > len(best) else best
    return tuple(best)
