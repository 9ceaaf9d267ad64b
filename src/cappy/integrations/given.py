"""Best of n among responses that were sampled elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cappy.boost import BestOfN, Boosted
from cappy.errors import InputError
from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample, Samples

if TYPE_CHECKING:
    from cappy.scorer import Scorer


class GivenSamples:
    """A stand-in for a language model that returns fixed responses."""

    name = "given samples"

    def __init__(self, texts: Sequence[str]) -> None:
        """Store the responses."""
        self._samples = tuple(Sample(text, "sampling") for text in texts)

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Return the responses for every prompt; neither `decoding` nor `seed` changes them."""
        return [Samples(self._samples) for _ in prompts]


def best_of_given(scorer: Scorer, instruction: str, texts: Sequence[str], selector: str | None = None) -> Boosted:
    """Choose among responses as `cappy.BestOfN` chooses among samples; `order` of the result gives their places.

    Selectors that need the language model's likelihoods (`self-sum`, `self-mean`) cannot be used.

    Raises:
        InputError: there is no response, one is no string, or the selector cannot be used.

    """
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError("best of n needs a list of at least one response, each a text.")
    found = BestOfN(GivenSamples(texts), scorer, selector=selector)
    result = found.many([instruction])[0]
    if not result.order:
        raise InputError(f"selector {found.selector!r} cannot choose among these responses: {result.error}")
    return result
