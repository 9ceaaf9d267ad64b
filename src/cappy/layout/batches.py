"""Batches of groups under a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cappy.layout.encode import EncodedGroup


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a group: instruction tokens, candidates, tokens of the longest one, tokens of all."""

    prefix: int
    segments: int
    longest: int
    row: int

    @classmethod
    def of(cls, group: EncodedGroup) -> Size:
        """Measure a group."""
        lengths = [len(segment) for segment in group.segments]
        return cls(len(group.prefix), len(lengths), max(lengths), sum(lengths))

    @property
    def tokens(self) -> int:
        """Packed tokens."""
        return self.prefix + self.row


def by_likeness(sizes: Sequence[Size]) -> list[int]:
    """Order groups so that neighbours need little padding in attention; returns their indices.

    Sort by the longest candidate (in powers of two), then the instruction (in steps of 24 tokens), then all candidates
    together. The direction alternates from step to step, so that neighbours are similar even across steps. The longest
    candidate comes first because a long one pads the many short ones of other groups.
    """

    def place(index: int) -> tuple[int, int, int]:
        size = sizes[index]
        length, step = size.longest.bit_length(), size.prefix // 24
        return length, step if length % 2 == 0 else -step, size.row if step % 2 == 0 else -size.row

    return sorted(range(len(sizes)), key=place)


def token_batches(sizes: Sequence[Size], budget: int) -> Iterator[list[int]]:
    """Collect groups of these sizes into batches of at most about `budget` packed tokens.

    Groups are sorted `by_likeness` to reduce padding in attention. A batch also ends if one more group would make
    attention's padded rows more than twice the tokens. A group over the budget is a batch of its own.
    """
    batch: list[int] = []
    used = rows = segments = longest_row = longest = 0
    for index in by_likeness(sizes):
        size = sizes[index]
        widest, longest_next = max(longest_row, size.row), max(longest, size.longest)
        padded = max((len(batch) + 1) * widest, (segments + size.segments) * longest_next)
        if batch and (used + size.tokens > budget or padded > 2 * (rows + size.row) + budget // 8):
            yield batch
            batch, used, rows, segments, widest, longest_next = [], 0, 0, 0, size.row, size.longest
        batch.append(index)
        used, rows, segments = used + size.tokens, rows + size.row, segments + size.segments
        longest_row, longest = widest, longest_next
    if batch:
        yield batch
