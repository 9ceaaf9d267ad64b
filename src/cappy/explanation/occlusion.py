"""Which words moved a score: each word is removed in turn and the response scored again (occlusion)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cappy.errors import InputError
from cappy.group import Cut, GroupScores

if TYPE_CHECKING:
    from cappy.scorer import Scorer

LIMIT = 64
"""Default maximum of spans per text: what a person can still read."""
# Chinese and Japanese put no spaces between words; there each character stands alone.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|[^\s぀-ヿ㐀-䶿一-鿿豈-﫿]+")


@dataclass(frozen=True, slots=True)
class Effect:
    """A span `text[start:end]`, in characters, and its effect: the score minus the score without the span.

    A positive effect means that the span raised the score.
    """

    start: int
    end: int
    text: str
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The score of a response, what was cut, and the effects of the spans of both texts, in text order."""

    score: float
    cut: Cut
    instruction: tuple[Effect, ...]
    response: tuple[Effect, ...]

    def __str__(self) -> str:
        """Format the score, then one span a line, strongest first."""
        spans = self.strongest()
        return "\n".join([f"{self.score:.4f}", *(f"{one.effect:+8.4f}  {side}: {one.text}" for side, one in spans)])

    def strongest(self) -> list[tuple[str, Effect]]:
        """Return the spans of both texts with their side, `instruction` or `response`, largest effect first."""
        sides = (("instruction", self.instruction), ("response", self.response))
        return sorted(((side, one) for side, few in sides for one in few), key=lambda pair: -abs(pair[1].effect))


@dataclass(frozen=True, slots=True)
class Occlusion:
    """What to score to explain a response: both texts and their spans, as (start, end) in characters.

    Planning is separate from scoring, so that a server can put `groups` into its queue.
    """

    instruction: str
    response: str
    instruction_spans: tuple[tuple[int, int], ...]
    response_spans: tuple[tuple[int, int], ...]

    @property
    def characters(self) -> int:
        """Upper bound of the characters in `groups`: nearly a whole text for each span."""
        whole, response = len(self.instruction) + len(self.response), len(self.response)
        return whole * (1 + len(self.instruction_spans)) + response * len(self.response_spans)

    @property
    def groups(self) -> list[tuple[str, list[str]]]:
        """What to score, as (instruction, responses).

        The first group holds the whole response and the response without each of its spans. Then follows one group
        for each span of the instruction, without that span.
        """
        shortened = [without(self.response, span) for span in self.response_spans]
        rest = [(without(self.instruction, span), [self.response]) for span in self.instruction_spans]
        return [(self.instruction, [self.response, *shortened]), *rest]

    def explanation(self, scored: Sequence[GroupScores]) -> Explanation:
        """Turn the scores of `groups`, in their order, into effects."""
        first, *rest = scored
        score = first.scores[0]
        return Explanation(
            score,
            first.cuts[0],
            _effects(self.instruction, self.instruction_spans, score, [group.scores[0] for group in rest]),
            _effects(self.response, self.response_spans, score, first.scores[1:]),
        )


def plan(instruction: str, response: str, limit: int = LIMIT) -> Occlusion:
    """Split both texts into at most `limit` spans each, without scoring anything.

    Raises:
        InputError: `limit` is below 1.

    """
    if limit < 1:
        raise InputError(f"limit is {limit}, but must be at least 1.")
    return Occlusion(instruction, response, tuple(spans(instruction, limit)), tuple(spans(response, limit)))


def spans(text: str, limit: int = LIMIT) -> Iterator[tuple[int, int]]:
    """Yield the words of a text as (start, end) in characters: in order, disjoint, none of them blank.

    If there are more words than `limit`, neighbours are joined into exactly `limit` spans whose word counts differ by
    at most one; the blanks between joined words belong to their span.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    count = min(limit, len(words))
    for number in range(count):
        first, last = number * len(words) // count, (number + 1) * len(words) // count - 1
        yield words[first][0], words[last][1]


def without(text: str, span: tuple[int, int]) -> str:
    """Return a text without a span and the blanks after it; at the end of the text, also those before it."""
    before, after = text[: span[0]], text[span[1] :].lstrip()
    return before + after if after else before.rstrip()


def explain(scorer: Scorer, instruction: str, response: str, limit: int = LIMIT) -> Explanation:
    """Return how much each word of an instruction and of a response moved the response's score.

    A word's effect is the score minus the score without that word, in raw scores, so mostly within [-1, 1]. Effects do
    not add up to the score, because words act together. The cost is one more candidate per word of the response and one
    more instruction per word of the instruction.

    Args:
        scorer: a `Scorer` from `cappy.load`.
        instruction: the instruction.
        response: one response to it.
        limit: maximum spans of each text; neighbouring words are joined if there are more.

    Raises:
        InputError: a text is not a string, or `limit` is below 1.

    """
    if not isinstance(instruction, str) or not isinstance(response, str):
        raise InputError("the instruction and the response must each be one text.")
    planned = plan(instruction, response, limit)
    return planned.explanation(list(scorer.score_groups(planned.groups)))


def _effects(text: str, places: Sequence[tuple[int, int]], score: float, scores: Sequence[float]) -> tuple[Effect, ...]:
    """Pair the spans [spans] of a text with `score` minus the scores [spans] without them."""
    pairs = zip(places, scores, strict=True)
    return tuple(Effect(start, end, text[start:end], score - left) for (start, end), left in pairs)
