"""Groups of answers to open instructions: judged by people, from models of known strength, or corrupted by rules."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cappy.data.answers import JudgedAnswers, read_answers
from cappy.data.corruptions import Open, spoiled
from cappy.data.judged_source import Neighbours, best, key
from cappy.data.negatives import merge
from cappy.files.rows import needed_rows, read_rows
from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.recipes import OpenAnswers
from cappy.training.split import fraction

TASK = "open_answers"
WORSE, BETTER = 0.4, 0.85
"""Labels of the worse and the better answer of a judged pair; votes in between are interpolated."""
MADE_UP, SOUND, REFERENCE, SAMPLE = 0.4, 0.84, 0.88, 0.2
"""Labels of a single answer judged made up or sound, of a written reference, and of a very small model's sample."""
LISTED = 3
"""Answers in a group drawn from a list."""
LIST = "listed"
"""Template name of lists, whose groups are drawn from a longer list of answers."""


def answer_groups(folder: Path, plan: OpenAnswers, seed: int) -> Iterator[tuple[bool, Group]]:
    """Yield (held out, group) for the sets in `folder`.

    The split is by the beginning of the instruction, so that an instruction found in several sets is on one side.
    Negatives from a similar instruction come from the same side.

    Raises:
        InputError: a set is missing.

    """
    judged = list(_read(folder, plan))
    samples = _samples(folder, plan)
    for held in (False, True):
        members = [one for one in judged if held_out(one.instruction, plan.held_out) == held]
        yield from ((held, group) for group in _groups(members, samples, plan, f"{seed}:{held}"))


def held_out(instruction: str, share: float) -> bool:
    """Tell whether an instruction belongs to the held-out `share`, in [0, 1]."""
    return fraction(key(instruction)) < share


def _read(folder: Path, plan: OpenAnswers) -> Iterator[Group]:
    for name in plan.judged:
        for row in read_answers(needed_rows(folder, name))[0]:
            labels = [WORSE + (BETTER - WORSE) * worth for worth in row.worth]
            if len(row.answers) == 1:
                labels = [SOUND if row.worth[0] > 0.5 else MADE_UP]
            yield _labelled(row, labels, "judged")
    for name in plan.lists:
        for row in read_answers(needed_rows(folder, name), dict(plan.strengths))[0]:
            yield _labelled(row, row.worth, LIST)
    for name in plan.written:
        for written in read_rows(needed_rows(folder, name)):
            asked = "\n\n".join(filter(None, (written["instruction"], written.get("input"))))
            if written["output"].strip():
                yield Group(asked, (Candidate(written["output"], REFERENCE, "reference"),), TASK, "judged")


def _labelled(row: JudgedAnswers, labels: Sequence[float], kind: str) -> Group:
    pairs = zip(row.answers, labels, strict=True)
    return Group(row.instruction, tuple(Candidate(text, label, "sample:judged") for text, label in pairs), TASK, kind)


def _samples(folder: Path, plan: OpenAnswers) -> Mapping[str, list[str]]:
    """Read the samples of open instructions, which have no references."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(needed_rows(folder, plan.samples)):
        if not row["references"]:
            texts = (value for name, value in row.items() if name == "greedy" or name.startswith("temperature"))
            found[normalise(row["instruction"])] += [text for text in texts if text.strip()]
    return found


def _groups(
    members: Sequence[Group], samples: Mapping[str, list[str]], plan: OpenAnswers, seed: str
) -> Iterator[Group]:
    neighbours = Neighbours(members)
    for place, one in enumerate(members):
        draw = random.Random(f"{seed}:{place}:{one.instruction}")
        lent = neighbours.of(place)
        sampled = samples.get(normalise(one.instruction), [])
        for _ in range(plan.draws if one.template == LIST else 1):
            kept = _drawn(one.candidates, draw) if one.template == LIST else one.candidates
            good = best(kept)
            given = Open(one.instruction, good.text, good.label or 0.0, lent)
            wrong = spoiled(given, draw.randint(1, plan.spoiled) if len(kept) > 1 else plan.spoiled, draw)
            if sampled and draw.random() < plan.sampled:
                wrong.append(Candidate(draw.choice(sampled), SAMPLE, "sample:smollm2"))
            group = replace(one, candidates=merge([*kept, *wrong]))
            if len({candidate.label for candidate in group.candidates}) > 1:
                yield group


def _drawn(candidates: Sequence[Candidate], draw: random.Random) -> tuple[Candidate, ...]:
    """Draw answers from a list; in half of the draws, try up to six times for a best answer that is not the longest."""
    count = min(LISTED, len(candidates))
    free = draw.random() < 0.5
    for _ in range(6):
        kept = draw.sample(candidates, count)
        if free or best(kept) is not max(kept, key=lambda candidate: len(candidate.text)):
            break
    return tuple(kept)
