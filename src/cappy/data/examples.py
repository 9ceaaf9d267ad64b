"""What sources give: examples (an instruction with its right answers), labelled groups, and rows they could not use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cappy.errors import InputError
from cappy.group import Group


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


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or rendering that could not be used: where it lies and why. The kinds are counted."""

    address: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A row that a template is not for, by the template's own conditions: no problem, but counted."""

    template: str


Found = Example | Group | Problem | PassedOver
"""An example is lent wrong answers; a group is labelled already."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that are worked on together, of one source: the wrong answers of a row come from its chunk.

    `name` is the same in every run; `rows` are (address, row) pairs; `problems` the rows that could not be read.
    """

    name: str
    rows: Sequence[tuple[str, Any]]
    problems: Sequence[Problem] = ()


class Source(Protocol):
    """Where examples come from. Reading is apart from rendering, so that rendering can be done by many workers."""

    @property
    def name(self) -> str:
        """Name of the source, different from that of every other source of a recipe."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows, chunk by chunk, the same in every run."""
        ...

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Turn a chunk's rows into examples or groups; a pure function that other processes run."""
        ...
