"""What sources give: examples (an instruction with its right answers), labelled groups, and rows they could not use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cappy.group import Example, Group


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
