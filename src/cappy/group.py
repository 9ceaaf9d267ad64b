"""Groups, candidates and rankings: the plain data every part of Cappy hands on.

Nothing heavy is imported here, so that a program may build groups before it decides to score them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A response to an instruction.

    `label` is how correct the response is, in [0, 1], or None where nobody has said.
    `origin` tells where the text came from: `reference`, `choice`, `other` (another row), `suggested` (made from the
    group itself) or `sample:<decoding>`.
    """

    text: str
    label: float | None = None
    origin: str = "choice"

    @property
    def is_right(self) -> bool:
        """Whether its label is over a half; that of an unlabelled one is not."""
        return (self.label or 0.0) > 0.5

    @property
    def sampled(self) -> bool:
        """Whether a language model wrote it."""
        return self.origin.startswith("sample")


@dataclass(frozen=True, slots=True)
class Group:
    """An instruction with its candidate responses; `task` and `template` name where it came from."""

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
    """How many tokens were left out so that a pair fits the checkpoint's limit; falsy when none were.

    Of texts of tens of thousands of characters the middle is not read, and counted at a token every 64 characters.
    """

    instruction: int = 0
    response: int = 0

    def __bool__(self) -> bool:
        """Tell whether anything was cut."""
        return bool(self.instruction or self.response)

    def __str__(self) -> str:
        """Say in words what was cut, empty if nothing was."""
        parts = [("instruction", self.instruction), ("response", self.response)]
        return ", ".join(f"{count} {name} tokens cut" for name, count in parts if count)


@dataclass(frozen=True, slots=True)
class GroupScores:
    """The scores of one group, in the order of its candidates, and what was cut for each."""

    scores: tuple[float, ...]
    cuts: tuple[Cut, ...]

    def order(self) -> list[int]:
        """Return candidate indices from the best score to the worst; ties keep their order."""
        return sorted(range(len(self.scores)), key=lambda index: -self.scores[index])


@dataclass(frozen=True, slots=True)
class Ranked:
    """One candidate in a ranking: its place in the input, its text, its score, and what was cut."""

    index: int
    text: str
    score: float
    cut: Cut = Cut()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates from best to worst. Iterate it, index it, take `top_k`, or print it."""

    instruction: str
    items: tuple[Ranked, ...] = field(default_factory=tuple)

    @classmethod
    def of(cls, instruction: str, candidates: Sequence[str], scored: GroupScores, top_k: int | None = None) -> Ranking:
        """Order `candidates` by their scores; ties keep input order. Keeps the first `top_k`."""
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
        """Go through the candidates from best to worst."""
        return iter(self.items)

    def __getitem__(self, place: int) -> Ranked:
        """Return the candidate at this place; 0 is the best."""
        return self.items[place]

    def __str__(self) -> str:
        """Show one candidate a line: place, score, text."""
        lines = []
        for place, item in enumerate(self.items, 1):
            note = f"  [{item.cut}]" if item.cut else ""
            lines.append(f"{place:>3}. {item.score:7.4f}  {' '.join(item.text.split())}{note}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction with what is known to be right: one row under one template.

    `choices` are all answers the row could have, the right ones among them; None where nobody lists them.
    `address` says where the row lies ("reviews.csv:17").
    """

    instruction: str
    references: tuple[str, ...]
    choices: tuple[str, ...] | None = None
    task: str = ""
    template: str = ""
    address: str = ""


def as_examples(given: Iterable[Any]) -> list[Example]:
    """Return examples as they are, and (instruction, response) pairs as examples with one reference.

    Raises:
        InputError: one is neither; named by its number.

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
            raise InputError(f"example {number} is no pair of an instruction and a response, both texts.")
    return found
