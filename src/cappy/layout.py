"""Groups of token ids to the arrays a runtime computes with: truncation, layouts, token-budget batches.

Two layouts exist. **joint** lays every pair out alone, `[CLS] instruction [SEP] response [SEP]`
(RoBERTa: `<s> instruction </s></s> response </s>`), as Cappy was published (Tan et al., 2023,
arXiv 2311.06720, section 3). **shared** encodes `[CLS] instruction [SEP]` once and stands every candidate's own
`[CLS] response [SEP]` behind it: instruction tokens see the instruction, a candidate's tokens see
the instruction and themselves (the sparse attention of Schlatt et al., 2024, arXiv 2312.17649).

Tokens are *packed*: laid end to end without padding, with index arrays that spread them out only
where attention needs rows of equal length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.spec import LAYOUTS, TRUNCATION_SIDES
from cappy.checkpoint.tokenizer import PartlyRead
from cappy.encoders.spec import EncoderSpec
from cappy.errors import InputError
from cappy.group import Cut

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a pair may be, in tokens with special tokens counted, and where an instruction is cut.

    `response_tokens` is what is kept free for a response. A response has besides what its instruction leaves, but
    never more than `response_limit` where that is set; a longer one keeps its start and its end. In the shared layout
    the instruction has the rest of `max_tokens`, whatever its candidates are; in the joint layout all that this one
    response leaves.
    """

    max_tokens: int = 512
    response_tokens: int = 192
    side: str = "middle"
    response_limit: int | None = None

    def __post_init__(self) -> None:
        """Check that some room is left for both parts."""
        if not (isinstance(self.max_tokens, int) and isinstance(self.response_tokens, int)):
            raise InputError("max_tokens and response_tokens must be whole numbers.")
        if self.side not in TRUNCATION_SIDES:
            raise InputError(f"truncation side {self.side!r} is unknown; choose one of {', '.join(TRUNCATION_SIDES)}.")
        if self.response_tokens < 1 or self.max_tokens - self.response_tokens < 8:
            raise InputError(
                f"a limit of {self.max_tokens} tokens leaves no room for an instruction beside "
                f"a response of {self.response_tokens} tokens."
            )

    def response_room(self, instruction_tokens: int, specials: int) -> int:
        """Return how many tokens a response may have behind an instruction of so many, not yet cut."""
        left = max(self.response_tokens, self.max_tokens - specials - instruction_tokens)
        return left if self.response_limit is None else min(left, self.response_limit)

    @classmethod
    def within(cls, longest: int) -> Limits:
        """Return the usual limits, made smaller where an encoder takes no more than `longest` tokens."""
        usual = cls()
        return cls(min(usual.max_tokens, longest), min(usual.response_tokens, longest // 2), usual.side)


@dataclass(frozen=True, slots=True)
class Conventions:
    """The ids and offsets a checkpoint's sequences are laid out with."""

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
        # Families with two separators leave their token type, if they have one, at 0.
        token_types = spec.token_types > 1 and not spec.double_separator
        return cls(layout, cls_id, sep_id, spec.double_separator, token_types, spec.position_offset)


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """One group as token ids.

    `prefix` is the instruction with its special tokens (empty in the joint layout), `segments` are
    the candidates' sequences, `boundaries` where the second token type begins in each segment.
    """

    prefix: tuple[int, ...]
    segments: tuple[tuple[int, ...], ...]
    boundaries: tuple[int, ...]
    cuts: tuple[Cut, ...]

    @property
    def tokens(self) -> int:
        """Number of packed tokens, which is what the group costs."""
        return len(self.prefix) + sum(map(len, self.segments))

    def take(self, start: int, stop: int) -> EncodedGroup:
        """Keep the candidates from `start` up to `stop`."""
        part = slice(start, stop)
        return replace(self, segments=self.segments[part], boundaries=self.boundaries[part], cuts=self.cuts[part])


def truncate(ids: Sequence[int], limit: int, side: str) -> tuple[tuple[int, ...], int]:
    """Keep at most `limit` ids, cutting at the `left`, the `right` or the `middle`; also count the cut.

    Of a text that was read in part, what was not read counts as cut.
    """
    excess = len(ids) - limit
    unread = ids.unread if isinstance(ids, PartlyRead) else 0
    if excess <= 0:
        return tuple(ids), unread
    if side == "left":
        kept = ids[excess:]
    elif side == "right":
        kept = ids[:limit]
    else:
        head = (limit + 1) // 2
        kept = [*ids[:head], *ids[len(ids) - (limit - head) :]]
    return tuple(kept), excess + unread


def encode_group(
    instruction: Sequence[int], responses: Sequence[Sequence[int]], conventions: Conventions, limits: Limits
) -> EncodedGroup:
    """Lay out one group's token ids (without special tokens) so that every pair obeys `limits`."""
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
    """Lay out one text by itself, `[CLS] text [SEP]`, within `max_tokens`."""
    kept, lost = truncate(ids, limits.max_tokens - 2, limits.side)
    sequence = (conventions.cls_id, *kept, conventions.sep_id)
    return EncodedGroup((), (sequence,), (len(sequence),), (Cut(lost, 0),))


@dataclass(frozen=True, slots=True)
class Packed:
    """Sequences laid end to end. `ids`, `positions`, `types`: [tokens]; `lengths`: [sequences]."""

    ids: Ints
    positions: Ints
    types: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class Batch:
    """What a runtime scores in one go.

    `segments` are the sequences whose first token is scored, `prefixes` the instructions in front
    of them (None in the joint layout), `per_prefix` how many segments stand behind each: [prefixes].
    """

    segments: Packed
    prefixes: Packed | None
    per_prefix: Ints

    @property
    def tokens(self) -> int:
        """Number of packed tokens in the batch."""
        return len(self.segments.ids) + (0 if self.prefixes is None else len(self.prefixes.ids))

    def row_lengths(self) -> Ints:
        """Count the candidate tokens behind each prefix: [prefixes]."""
        ends = np.cumsum(self.per_prefix)
        total = np.concatenate([[0], np.cumsum(self.segments.lengths)])
        lengths: Ints = total[ends] - total[ends - self.per_prefix]
        return lengths


def spread(lengths: Ints, at_least: int = 1) -> tuple[Ints, Bools, Ints]:
    """Index packed tokens as padded rows, of a width of `at_least` or more, and back.

    For `lengths` [rows] returns `index` [rows, longest] into the packed tokens (padding points at
    token 0), `valid` [rows, longest], and `inverse` [tokens], each packed token's place in the flattened padded rows.
    """
    longest = int(lengths.max(initial=at_least))
    columns = np.arange(longest, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    valid = columns[None, :] < lengths[:, None]
    index = np.where(valid, starts[:, None] + columns[None, :], 0)
    return index, valid, np.flatnonzero(valid).astype(np.int64)


def pack(groups: Sequence[EncodedGroup], conventions: Conventions) -> Batch:
    """Lay the groups of one batch end to end."""
    shared = conventions.layout == "shared"
    segments = [segment for group in groups for segment in group.segments]
    boundaries = np.array([b for group in groups for b in group.boundaries], dtype=np.int64)
    per_prefix = np.array([len(group.segments) for group in groups], dtype=np.int64)
    prefix_lengths = np.array([len(group.prefix) for group in groups], dtype=np.int64)
    packed = _pack(segments, np.repeat(prefix_lengths, per_prefix), boundaries, conventions)
    if not shared:
        return Batch(packed, None, per_prefix)
    zeros = np.zeros(len(groups), dtype=np.int64)
    prefixes = _pack([group.prefix for group in groups], zeros, prefix_lengths, conventions)
    return Batch(packed, prefixes, per_prefix)


def _pack(sequences: Sequence[Sequence[int]], before: Ints, boundaries: Ints, conventions: Conventions) -> Packed:
    """Pack `sequences`; each stands behind `before` tokens and takes token type 1 from its boundary on."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    total = int(lengths.sum())
    ids = np.fromiter((i for sequence in sequences for i in sequence), dtype=np.int64, count=total)
    within = np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions = within + np.repeat(before, lengths) + conventions.position_offset
    if conventions.token_types:
        types = (within >= np.repeat(boundaries, lengths)).astype(np.int64)
    else:
        types = np.zeros(total, dtype=np.int64)
    return Packed(ids, positions, types, lengths)


def split_group(group: EncodedGroup, budget: int) -> Iterator[tuple[int, EncodedGroup]]:
    """Yield parts of a group whose candidates have at most about `budget` tokens, each with its first index."""
    start = used = 0
    for index, segment in enumerate(group.segments):
        if used and used + len(segment) > budget:
            yield start, group.take(start, index)
            start, used = index, 0
        used += len(segment)
    yield start, group.take(start, len(group.segments))


@dataclass(frozen=True, slots=True)
class Size:
    """What a group weighs: instruction tokens, candidates, the longest one's tokens, all candidates' tokens."""

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


def token_batches(sizes: Sequence[Size], budget: int) -> Iterator[list[int]]:
    """Gather groups of about these sizes into batches of at most `budget` packed tokens.

    Groups are sorted so that those of a batch are alike in what attention pads: the longest candidate, by doublings,
    then the instruction, in steps of 24 tokens, then all candidates together; upwards in one step and downwards in the
    next, so that neighbours are alike even where steps meet. The longest candidate comes first because a long one pads
    the many short ones of other groups. A batch also ends where one more group would make attention's padded rows more
    than twice the tokens. A group over the budget is a batch alone.
    """
    batch: list[int] = []
    used = rows = segments = longest_row = longest = 0

    def place(index: int) -> tuple[int, int, int]:
        size = sizes[index]
        length, step = size.longest.bit_length(), size.prefix // 24
        return length, step if length % 2 == 0 else -step, size.row if step % 2 == 0 else -size.row

    for index in sorted(range(len(sizes)), key=place):
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


def masked(valid: Bools) -> NDArray[Any]:
    """Turn a validity mask into an additive attention bias of the same shape: 0 or a large negative."""
    return np.where(valid, np.float32(0), np.float32(-1e9))
