"""Beam search over any model that can list the most likely next tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Expand = Callable[[Sequence[tuple[int, ...]]], Awaitable[Sequence[Sequence[tuple[int, float]]]]]
"""Maps responses so far to likely next tokens of each, with log probabilities, most likely first."""


@dataclass(frozen=True, slots=True)
class Beam:
    """A response's tokens without the end token, and the sum of all log probabilities including the end token's."""

    tokens: tuple[int, ...]
    log_likelihood: float
    ended: bool = False

    @property
    def mean(self) -> float:
        """Log-likelihood per token, by which beams of different lengths are compared."""
        return self.log_likelihood / max(len(self.tokens) + self.ended, 1)


async def beam_search(
    expand: Expand, ends: frozenset[int], beams: int, max_tokens: int, min_tokens: int = 0
) -> list[Beam]:
    """Return up to `beams` responses, best first, by log-likelihood per token.

    `expand` must return the 2 × `beams` most likely tokens of every response. As in `transformers`, the search ends
    when no live response can beat the worst of `beams` finished ones at its present length.
    """
    live = [Beam((), 0.0)]
    ended: list[Beam] = []
    for length in range(1, max_tokens + 1):
        options = [
            (beam, token, beam.log_likelihood + value)
            for beam, nexts in zip(live, await expand([beam.tokens for beam in live]), strict=True)
            for token, value in nexts
            if length > min_tokens or token not in ends
        ]
        options.sort(key=lambda option: -option[2])
        live = []
        for place, (beam, token, total) in enumerate(options):
            if token in ends:
                if place < beams:  # an ending that others have overtaken is not a candidate
                    ended.append(Beam(beam.tokens, total, ended=True))
            elif len(live) < beams:
                live.append(Beam((*beam.tokens, token), total))
        ended = sorted(ended, key=lambda beam: -beam.mean)[:beams]
        if not live or (len(ended) == beams and max(beam.mean for beam in live) <= ended[-1].mean):
            break
    else:
        ended = sorted([*ended, *live], key=lambda beam: -beam.mean)[:beams]
    return ended
