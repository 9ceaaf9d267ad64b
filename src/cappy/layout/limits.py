"""How long a pair of instruction and response may be, and where it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cappy.errors import InputError
from cappy.layout.tokenizer import PartlyRead

TRUNCATION_SIDES = ("left", "right", "middle")


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
