"""Judged answers as a source of a recipe: pairs, votes, lists and single answers become labelled groups."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cappy.data.answers import JudgedAnswers, read_answers
from cappy.data.corruptions import Open, spoiled
from cappy.data.nearest import WordOverlap
from cappy.data.negatives import merge
from cappy.data.source import Chunk, Found, Problem
from cappy.data.sources import CHUNK_ROWS
from cappy.errors import InputError
from cappy.group import Candidate, Group
from cappy.text.normalization import normalise

COLUMNS = ("instruction", "source")
NEIGHBOURS = 4
ASKED_WORDS = 40
"""Number of an instruction's words used to find its neighbours."""
KEY_CHARACTERS = 80
"""Instructions that share a beginning of this length count as wordings of one."""


@dataclass(frozen=True)
class JudgedSource:
    """A file of judged answers, in any format that `cappy eval answers` reads.

    A worth between `worth_from` and `worth_to` is mapped linearly to a label between `label_from` and `label_to`;
    pairs, votes and verdicts have worths from 0 to 1. `strengths` is the worth of each model's answers, for files with
    one field per model (`response_MODEL`). Each group gets `spoiled` negatives made by the rules of
    `cappy.data.corruptions`. `columns` names the column of the `instruction` or the `source`; the source is the groups'
    task unless `task` is given.

    Raises:
        InputError: a label is outside [0, 1], or a range has no length.

    """

    path: Path
    task: str = ""
    strengths: Mapping[str, float | int] | None = None
    columns: Mapping[str, str] | None = None
    worth_from: float | int = 0.0
    worth_to: float | int = 1.0
    label_from: float | int = 0.0
    label_to: float | int = 1.0
    spoiled: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.columns or ()) - set(COLUMNS)
        if unknown:
            raise InputError(f"columns has {', '.join(sorted(unknown))}; it may name {', '.join(COLUMNS)}.")
        if not 0 <= self.label_from < self.label_to <= 1:
            raise InputError(f"labels from {self.label_from} to {self.label_to} must rise and be within 0 and 1.")
        if not self.worth_from < self.worth_to:
            raise InputError(f"worths must rise, but go from {self.worth_from} to {self.worth_to}.")
        if self.spoiled < 0:
            raise InputError(f"spoiled must be a whole number from 0, not {self.spoiled}.")

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def chunks(self) -> Iterator[Chunk]:
        """Read the whole file: all rows decide its format, and single answers are grouped by instruction."""
        found, problems = read_answers(self.path, dict(self.strengths or {}), dict(self.columns or {}))
        for number, start in enumerate(range(0, len(found), CHUNK_ROWS)):
            rows = [(row.address, row) for row in found[start : start + CHUNK_ROWS]]
            yield Chunk(f"{self.name}-{number:05d}", rows, () if number else problems)

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Label the answers; answers to the nearest instructions of the chunk serve as negatives."""
        labelled: list[Group] = []
        for address, row in chunk.rows:
            try:
                labelled.append(self._group(row))
            except InputError as error:
                yield Problem(address, "worth out of range", str(error))
        lend = Neighbours(labelled) if self.spoiled else None
        for place, group in enumerate(labelled):
            made = lend.spoiled(place, self.spoiled, f"{chunk.name}:{place}") if lend else []
            whole = replace(group, candidates=merge([*group.candidates, *made]))
            if len(whole.candidates) > 1:
                yield whole
            else:
                reason = "nothing to compare it with; spoiled: 2 makes wrong answers"
                yield Problem(f"{self.name}: {group.instruction[:40]!r}", "one answer only", reason)

    def _group(self, row: JudgedAnswers) -> Group:
        width = self.worth_to - self.worth_from
        shares = [(worth - self.worth_from) / width for worth in row.worth]
        if any(not 0 <= share <= 1 for share in shares):
            raise InputError(f"a worth is not within {self.worth_from} and {self.worth_to}")
        labels = [self.label_from + (self.label_to - self.label_from) * share for share in shares]
        candidates = (Candidate(text, label, "judged") for text, label in zip(row.answers, labels, strict=True))
        return Group(row.instruction, tuple(candidates), self.task or row.source)


class Neighbours:
    """Groups of open instructions that give each other their best answers as negatives."""

    def __init__(self, groups: Sequence[Group]) -> None:
        """Index the groups by the words of their instructions."""
        self._groups = groups
        self._asked = [" ".join(group.instruction.split()[:ASKED_WORDS]) for group in groups]
        self._index = WordOverlap(self._asked)

    def of(self, place: int) -> tuple[str, ...]:
        """Return the best answers to the instructions nearest to that of group `place`, except other wordings of it."""
        asked = key(self._groups[place].instruction)
        near = self._index.closest([self._asked[place]], NEIGHBOURS + 1)
        others = (self._groups[other] for other in near if other != place)
        return tuple(best(other.candidates).text for other in others if key(other.instruction) != asked)

    def spoiled(self, place: int, most: int, seed: str) -> list[Candidate]:
        """Make up to `most` negatives from the best answer of group `place`."""
        group = self._groups[place]
        good = best(group.candidates)
        return spoiled(Open(group.instruction, good.text, good.label or 0.0, self.of(place)), most, random.Random(seed))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Return the first candidate with the highest label."""
    return max(candidates, key=lambda candidate: candidate.label or 0.0)


def key(instruction: str) -> str:
    """Return a key shared by wordings of one instruction."""
    return normalise(instruction)[:KEY_CHARACTERS]
