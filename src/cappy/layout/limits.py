"""Length limits of an instruction and a response, and truncation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cappy.errors import InputError
from cappy.layout.tokenizer import PartlyRead

TRUNCATION_SIDES = ("left", "right", "middle")


@dataclass(frozen=True, slots=True)
class Limits:
    """Length limits of a pair, in tokens including special tokens, and the side where instructions are cut.

    `response_tokens` are reserved for a response. A response may also use what its instruction leaves, up to
    `response_limit` if that is set; a longer one keeps its start and its end. In the shared layout the instruction gets
    the rest of `max_tokens`, whatever its candidates are; in the joint layout it gets all that the response leaves.
    """

    max_tokens: int = 512
    response_tokens: int = 192
    side: str = "middle"
    response_limit: int | None = None

    def __post_init__(self) -> None:
        """Check that both parts have room."""
        if not (isinstance(self.max_tokens, int) and isinstance(self.response_tokens, int)):
            raise InputError("max_tokens and response_tokens must be whole numbers.")
        if self.side not in TRUNCATION_SIDES:
            raise InputError(f"truncation side {self.side!r} is unknown; choose one of {', '.join(TRUNCATION_SIDES)}.")
        if self.response_tokens < 1 or self.max_tokens - self.response_tokens < 8:
            raise InputError(
                f"a limit of {self.max_tokens} tokens leaves no room for an instruction with "
                f"a response of {self.response_tokens} tokens."
            )

    def response_room(self, instruction_tokens: int, specials: int) -> int:
        """Return the room for a response in tokens, given the length of the instruction before cutting."""
        left = max(self.response_tokens, self.max_tokens - specials - instruction_tokens)
        return left if self.response_limit is None else min(left, self.response_limit)

    @classmethod
    def within(cls, longest: int) -> Limits:
        """Return the default limits, reduced to an encoder's maximum of `longest` tokens."""
        usual = cls()
        return cls(min(usual.max_tokens, longest), min(usual.response_tokens, longest // 2), usual.side)


def truncate(ids: Sequence[int], limit: int, side: str) -> tuple[tuple[int, ...], int]:
    """Keep at most `limit` ids, cutting at the `left`, the `right` or the `middle`; also count the cut tokens.

    The part of a text that was never read counts as cut.
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
