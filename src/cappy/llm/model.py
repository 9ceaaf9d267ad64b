"""The protocol of a language model: samples for prompts, with log-likelihoods if available."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cappy.llm.decoding import Decoding


@dataclass(frozen=True, slots=True)
class Sample:
    """One response of a model.

    `log_likelihood` is the sum of its tokens' log probabilities under the model itself (temperature 1, full
    vocabulary), including the end token if the model reports it; None if unavailable. `tokens` counts them.
    """

    text: str
    decoding: str = ""
    log_likelihood: float | None = None
    tokens: int | None = None

    @property
    def mean_log_likelihood(self) -> float | None:
        """Log-likelihood per token; None if unknown."""
        if self.log_likelihood is None:
            return None
        return self.log_likelihood / max(self.tokens or 1, 1)


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one prompt, and why there are fewer than requested, if so."""

    samples: tuple[Sample, ...]
    error: str = ""
    prompt_tokens: int | None = None

    @property
    def texts(self) -> list[str]:
        """The samples' texts."""
        return [sample.text for sample in self.samples]

    @property
    def tokens(self) -> int:
        """Tokens generated, if known."""
        return sum(sample.tokens or 0 for sample in self.samples)


class LanguageModel(Protocol):
    """A model that samples responses to prompts."""

    @property
    def name(self) -> str:
        """Identifies the model and how it is prompted; it is part of the key of cached samples."""
        ...

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Return `decoding.count` samples for every prompt, in the order of `prompts`.

        A prompt that fails carries its error and does not affect the others. The same seed gives the same samples, as
        far as the model supports it.

        Raises:
            InputError: this model does not support the decoding.
            LanguageModelError: the model cannot be used at all.

        """
        ...
