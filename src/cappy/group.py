"""Groups, candidates and rankings: the plain data that all parts of Cappy exchange.

Nothing heavy is imported here, so programs can build groups without loading a scorer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response to an instruction.

    `label` is how correct the response is, in [0, 1]; None if unknown. `origin` says where the text came from:
    `reference`, `choice`, `other` (another row), `suggested` (made from the group itself) or `sample:<decoding>`.
    """

    text: str
    label: float | None = None
    origin: str = "choice"

    @property
    def is_right(self) -> bool:
        """Whether the label is above 0.5; false if there is none."""
        return (self.label or 0.0) > 0.5

    @property
    def sampled(self) -> bool:
        """Whether a language model wrote it."""
        return self.origin.startswith("sample")


@dataclass(frozen=True, slots=True)
class Group:
    """An instruction with its candidate responses; `task` and `template` say where it came from."""

    instruction: str
    candidates: tuple[Candidate, ...]
    task: str = ""
    template: str = ""

    @classmethod
    def of(cls, instruction: str, responses: Sequence[str], task: str = "", template: str = "") -> Group:
        """Make an unlabelled group from plain strings."""
        return cls(instruction, tuple(Candidate(text) for text in responses), task, template)


@dataclass(frozen=True, slots=True)
class Cut:
    """Number of tokens dropped so that a pair fits the checkpoint's limit; false if none were.

    The middle of texts of tens of thousands of characters is not tokenised; it counts one token per 64 characters.
    """

    instruction: int = 0
    response: int = 0

    def __bool__(self) -> bool:
        """Return whether anything was cut."""
        return bool(self.instruction or self.response)

    def __str__(self) -> str:
        """Describe what was cut; empty if nothing was."""
        parts = [("instruction", self.instruction), ("response", self.response)]
        return ", ".join(f"{count} {name} tokens cut" for name, count in parts if count)


@dataclass(frozen=True, slots=True)
class GroupScores:
    """The scores of one group in the order of its candidates, and what was cut from each."""

    scores: tuple[float, ...]
    cuts: tuple[Cut, ...]

    def order(self) -> list[int]:
        """Return candidate indices from best to worst; ties keep input order."""
        return sorted(range(len(self.scores)), key=lambda index: -self.scores[index])


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate of a ranking: its index in the input, its text, its score, and what was cut."""

    index: int
    text: str
    score: float
    cut: Cut = Cut()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates from best to worst. Iterate over it, index it, take `top_k`, or print it."""

    instruction: str
    items: tuple[Ranked, ...] = field(default_factory=tuple)

    @classmethod
    def of(cls, instruction: str, candidates: Sequence[str], scored: GroupScores, top_k: int | None = None) -> Ranking:
        """Rank `candidates` by score and keep the first `top_k`; ties keep input order."""
        items = [Ranked(i, candidates[i], scored.scores[i], scored.cuts[i]) for i in scored.order()]
        return cls(instruction, tuple(items[:top_k]))

    @property
    def best(self) -> Ranked:
        """The best candidate."""
        return self.items[0]

    @property
    def scores(self) -> list[float]:
        """Scores from best to worst."""
        return [item.score for item in self.items]

    def top_k(self, k: int) -> Ranking:
        """Keep only the `k` best candidates."""
        return Ranking(self.instruction, self.items[:k])

    def __len__(self) -> int:
        """Return the number of candidates kept."""
        return len(self.items)

    def __iter__(self) -> Iterator[Ranked]:
        """Iterate over the candidates from best to worst."""
        return iter(self.items)

    def __getitem__(self, place: int) -> Ranked:
        """Return the candidate at this place; 0 is the best."""
        return self.items[place]

    def __str__(self) -> str:
        """Format one candidate a line: place, score, text."""
        lines = []
        for place, item in enumerate(self.items, 1):
            note = f"  [{item.cut}]" if item.cut else ""
            lines.append(f"{place:>3}. {item.score:7.4f}  {' '.join(item.text.split())}{note}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction with its right answers (`references`): one row under one template.

    `choices` are all possible answers, including the right ones; None if they are unknown. `address` says where the row
    is ("reviews.csv:17").
    """

    instruction: str
    references: tuple[str, ...]
    choices: tuple[str, ...] | None = None
    task: str = ""
    template: str = ""
    address: str = ""


def as_examples(given: Iterable[Any]) -> list[Example]:
    """Return examples unchanged, and (instruction, response) pairs as examples with one reference.

    Raises:
        InputError: an item is neither; the message gives its number.

    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InputError(f"examples must be a list of (instruction, response) pairs, not {type(given).__name__}.")
    found = []
    for number, one in enumerate(given):
        if isinstance(one, Example):
            found.append(one)
        elif isinstance(one, list | tuple) and len(one) == 2 and all(isinstance(part, str) for part in one):
            found.append(Example(one[0], (one[1],)))
        else:
            raise InputError(f"example {number} is not a pair of texts, an instruction and a response.")
    return found
