"""Encoding the token ids of an instruction and its responses in the joint or the shared layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cappy.encoders.spec import EncoderSpec
from cappy.errors import InputError
from cappy.group import Cut
from cappy.layout.limits import Limits, truncate

LAYOUTS = ("shared", "joint")


@dataclass(frozen=True, slots=True)
class Conventions:
    """The ids and offsets used to lay out a checkpoint's sequences."""

    layout: str
    cls_id: int
    sep_id: int
    double_separator: bool
    token_types: bool
    position_offset: int

    @classmethod
    def of(cls, spec: EncoderSpec, layout: str, cls_id: int, sep_id: int) -> Conventions:
        """Derive the conventions of an encoder."""
        if layout not in LAYOUTS:
            raise InputError(f"layout {layout!r} is unknown; choose one of {', '.join(LAYOUTS)}.")
        # Families with two separators leave the token type, if any, at 0.
        token_types = spec.token_types > 1 and not spec.double_separator
        return cls(layout, cls_id, sep_id, spec.double_separator, token_types, spec.position_offset)


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """One group as token ids.

    `prefix` is the instruction with its special tokens (empty in the joint layout), `segments` are the candidates'
    sequences, and `boundaries` mark where the second token type begins in each segment.
    """

    prefix: tuple[int, ...]
    segments: tuple[tuple[int, ...], ...]
    boundaries: tuple[int, ...]
    cuts: tuple[Cut, ...]

    @property
    def tokens(self) -> int:
        """Number of packed tokens, the cost of the group."""
        return len(self.prefix) + sum(map(len, self.segments))

    def take(self, start: int, stop: int) -> EncodedGroup:
        """Keep the candidates from `start` up to `stop`."""
        part = slice(start, stop)
        return replace(self, segments=self.segments[part], boundaries=self.boundaries[part], cuts=self.cuts[part])


def encode_group(
    instruction: Sequence[int], responses: Sequence[Sequence[int]], conventions: Conventions, limits: Limits
) -> EncodedGroup:
    """Lay out one group's token ids (without special tokens) so that every pair fits `limits`."""
    cls, sep = conventions.cls_id, conventions.sep_id
    if conventions.layout == "shared":
        specials = 4
        kept, lost = truncate(instruction, limits.max_tokens - limits.response_tokens - specials, limits.side)
        room = limits.response_room(len(instruction), specials)
        bodies = [truncate(ids, room, "middle") for ids in responses]
        segments = tuple((cls, *body, sep) for body, _ in bodies)
        cuts = tuple(Cut(lost, cut) for _, cut in bodies)
        return EncodedGroup((cls, *kept, sep), segments, (0,) * len(segments), cuts)
    middle = (sep, sep) if conventions.double_separator else (sep,)
    specials = 2 + len(middle)
    pairs, boundaries, joint_cuts = [], [], []
    for ids in responses:
        body, cut = truncate(ids, limits.response_room(len(instruction), specials), "middle")
        kept, lost = truncate(instruction, limits.max_tokens - len(body) - specials, limits.side)
        pairs.append((cls, *kept, *middle, *body, sep))
        boundaries.append(1 + len(kept) + len(middle))
        joint_cuts.append(Cut(lost, cut))
    return EncodedGroup((), tuple(pairs), tuple(boundaries), tuple(joint_cuts))


def encode_alone(ids: Sequence[int], conventions: Conventions, limits: Limits) -> EncodedGroup:
    """Lay out one text alone, `[CLS] text [SEP]`, within `max_tokens`."""
    kept, lost = truncate(ids, limits.max_tokens - 2, limits.side)
    sequence = (conventions.cls_id, *kept, conventions.sep_id)
    return EncodedGroup((), (sequence,), (len(sequence),), (Cut(lost, 0),))


def split_group(group: EncodedGroup, budget: int) -> Iterator[tuple[int, EncodedGroup]]:
    """Split a group into parts whose candidates have at most about `budget` tokens; yield each with its first index."""
    start = used = 0
    for index, segment in enumerate(group.segments):
        if used and used + len(segment) > budget:
            yield start, group.take(start, index)
            start, used = index, 0
        used += len(segment)
    yield start, group.take(start, len(group.segments))
