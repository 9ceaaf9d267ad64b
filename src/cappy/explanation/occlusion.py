"""Which words moved a score: every word is left out once, and the score looked at again (occlusion)."""

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
"""Most spans a text is taken apart into, unless told otherwise: what a person can still look over."""
# Chinese and Japanese put no spaces between words; there each character stands alone.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|[^\s぀-ヿ㐀-䶿一-鿿豈-﫿]+")


@dataclass(frozen=True, slots=True)
class Effect:
    """A span `text[start:end]`, in characters, and the score with everything minus the score without the span.

    Positive: the span raised the score.
    """

    start: int
    end: int
    text: str
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The score of a response, what was cut for it, and the effects of the spans of both texts, in their order."""

    score: float
    cut: Cut
    instruction: tuple[Effect, ...]
    response: tuple[Effect, ...]

    def __str__(self) -> str:
        """Show the score, then one span a line, the strongest first."""
        sides = (("instruction", self.instruction), ("response", self.response))
        spans = sorted(((side, one) for side, few in sides for one in few), key=lambda pair: -abs(pair[1].effect))
        return "\n".join([f"{self.score:.4f}", *(f"{one.effect:+8.4f}  {side}: {one.text}" for side, one in spans)])


@dataclass(frozen=True, slots=True)
class Occlusion:
    """What to score to explain a response: both texts and their spans, as (start, end) in characters.

    Planning is apart from scoring, so that a server may score `groups` as it scores everything else.
    """

    instruction: str
    response: str
    instruction_spans: tuple[tuple[int, int], ...]
    response_spans: tuple[tuple[int, int], ...]

    @property
    def characters(self) -> int:
        """How many characters `groups` come to at most: nearly a whole text for each of its spans."""
        whole, response = len(self.instruction) + len(self.response), len(self.response)
        return whole * (1 + len(self.instruction_spans)) + response * len(self.response_spans)

    @property
    def groups(self) -> list[tuple[str, list[str]]]:
        """What is to be scored, as (instruction, responses).

        First one group: the response whole, then without each of its spans; they share the instruction. Then one
        group for each span of the instruction, which lacks that span.
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
    """Take both texts apart into at most `limit` spans each, without scoring anything.

    Raises:
        InputError: `limit` is below 1.

    """
    if limit < 1:
        raise InputError(f"limit is {limit}, but must be at least 1.")
    return Occlusion(instruction, response, tuple(spans(instruction, limit)), tuple(spans(response, limit)))


def spans(text: str, limit: int = LIMIT) -> Iterator[tuple[int, int]]:
    """Give the words of a text as (start, end) in characters: in order, apart, and none of them blank.

    Of more words than `limit`, neighbours are joined into exactly `limit` spans whose numbers of words differ by at
    most one; the blanks between joined words belong to their span.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    count = min(limit, len(words))
    for number in range(count):
        first, last = number * len(words) // count, (number + 1) * len(words) // count - 1
        yield words[first][0], words[last][1]


def without(text: str, span: tuple[int, int]) -> str:
    """Return a text without a span and the blanks behind it; at the text's end, without those before it too."""
    before, after = text[: span[0]], text[span[1] :].lstrip()
    return before + after if after else before.rstrip()


def explain(scorer: Scorer, instruction: str, response: str, limit: int = LIMIT) -> Explanation:
    """Say how much each word of an instruction and of a response moved the response's score.

    An effect is the score with everything minus the score without that word: raw scores, so mostly within [-1, 1].
    Effects do not add up to the score: words work together. It costs as much as scoring one more candidate for each
    word of the response, and one more instruction for each word of the instruction.

    Args:
        scorer: what scores; a `Scorer` as `cappy.load` gives it.
        instruction: the instruction.
        response: one response to it.
        limit: most spans on each side; neighbouring words are joined where there are more.

    Raises:
        InputError: a text is no string, or `limit` is below 1.

    """
    if not isinstance(instruction, str) or not isinstance(response, str):
        raise InputError("the instruction and the response must each be one text.")
    planned = plan(instruction, response, limit)
    return planned.explanation(list(scorer.score_groups(planned.groups)))


def _effects(text: str, places: Sequence[tuple[int, int]], score: float, scores: Sequence[float]) -> tuple[Effect, ...]:
    """Pair the spans [spans] of a text with `score` minus the scores [spans] without them."""
    pairs = zip(places, scores, strict=True)
    return tuple(Effect(start, end, text[start:end], score - left) for (start, end), left in pairs)
