"""What sources yield: examples (an instruction with its right answers), labelled groups, and unusable rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cappy.group import Example, Group


@dataclass(frozen=True, slots=True)
class Problem:
    """A row or rendering that could not be used: its address and the reason. Kinds are counted."""

    address: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A row that a template skips by its own conditions: not a problem, but counted."""

    template: str


Found = Example | Group | Problem | PassedOver
"""An example gets negatives; a group is labelled already."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one source that are processed together: the negatives of a row come from its chunk.

    `name` is the same in every run; `rows` are (address, row) pairs; `problems` are the rows that could not be read.
    """

    name: str
    rows: Sequence[tuple[str, Any]]
    problems: Sequence[Problem] = ()


class Source(Protocol):
    """A source of examples. Reading is separate from rendering, so that several workers can render."""

    @property
    def name(self) -> str:
        """Name of the source, unique in a recipe."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows chunk by chunk, identically in every run."""
        ...

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Turn a chunk's rows into examples or groups; a pure function, run in other processes."""
        ...
