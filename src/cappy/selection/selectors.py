"""Selectors: ways to choose among a language model's samples.

A selector gives every sample of an instruction a value. The highest is chosen; ties go to the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import Selection
from cappy.errors import InputError
from cappy.llm.model import Sample
from cappy.metrics.references import rouge_l
from cappy.selection.combined import describe, usual_weighing
from cappy.text.normalization import normalise

if TYPE_CHECKING:
    from cappy.scorer import Scorer

Values = NDArray[np.float64]
"""One value per sample: [samples]."""

AGREEMENT_WEIGHT = 0.5
"""Weight of a sample's agreement with the others in `cappy+agreement`; the score has weight 1."""


@dataclass(frozen=True, slots=True)
class Pool:
    """An instruction's samples, with Cappy's scores [samples] if the selector needs them.

    `selection` holds the weights of `combined` from the scorer's checkpoint.
    """

    instruction: str
    samples: tuple[Sample, ...]
    scores: tuple[float, ...] = ()
    selection: Selection | None = None
    learnt: tuple[float, ...] = ()
    """Values from what a task's examples taught; see `cappy.selection.learned`."""

    def first(self, count: int) -> Pool:
        """Return the pool after its first `count` samples."""
        return Pool(self.instruction, self.samples[:count], self.scores[:count], self.selection, self.learnt[:count])


@dataclass(frozen=True, slots=True)
class Selector:
    """A way to value samples, and what it needs to do so.

    `scores`: Cappy's scores in the pool. `likelihoods`: log-likelihoods of the samples. `plan`: a decoding of the
    selector's own name among the samples; this is an example of such a plan.
    """

    values: Callable[[Pool], Values]
    scores: bool = False
    likelihoods: bool = False
    plan: str = ""

    def __call__(self, pool: Pool) -> Values:
        """Return the value of every sample: [samples]."""
        return self.values(pool)


def first(pool: Pool) -> Values:
    """Prefer the first sampled response (beam and greedy outputs are ignored): the LLM without any selection."""
    drawn = [not _searched(sample) for sample in pool.samples]
    return _firsts(drawn if any(drawn) else [True] * len(drawn))


def greedy(pool: Pool) -> Values:
    """Take the greedy response."""
    return _firsts(_named(pool, "greedy"))


def beam(pool: Pool) -> Values:
    """Take the best beam."""
    return _firsts(_named(pool, "beam"))


def self_sum(pool: Pool) -> Values:
    """Log-likelihood under the language model itself ("self-scoring", Tan et al., 2023, section 4.2)."""
    return np.array([_known(sample.log_likelihood) for sample in pool.samples])


def self_mean(pool: Pool) -> Values:
    """Log-likelihood per token, which does not favour short responses."""
    return np.array([_known(sample.mean_log_likelihood) for sample in pool.samples])


def majority(pool: Pool) -> Values:
    """How many samples agree, ignoring case, punctuation and spacing (self-consistency, Wang et al., 2022)."""
    said = [normalise(sample.text) for sample in pool.samples]
    counts = Counter(said)
    return np.array([float(counts[text]) if text else 0.0 for text in said])


def longest(pool: Pool) -> Values:
    """Prefer the most characters, which people and judges often like, right or wrong."""
    return np.array([float(len(sample.text)) for sample in pool.samples])


def shortest(pool: Pool) -> Values:
    """Prefer the fewest characters."""
    return -longest(pool)


def minimum_bayes_risk(pool: Pool) -> Values:
    """Mean Rouge-L against the other samples (Bickel and Doksum, 1977; for text, Kumar and Byrne, 2004)."""
    return agreement([sample.text for sample in pool.samples])


def cappy(pool: Pool) -> Values:
    """Cappy's score."""
    return np.array(pool.scores)


def cappy_and_agreement(pool: Pool) -> Values:
    """Cappy's score plus `AGREEMENT_WEIGHT` times the agreement with the other samples."""
    return np.array(pool.scores) + AGREEMENT_WEIGHT * agreement([sample.text for sample in pool.samples])


def combined(pool: Pool) -> Values:
    """Several features of the samples, weighted as the scorer's checkpoint says (see `cappy.selection.combined`).

    Long samples use the weights for open instructions, others the weights for every kind. Without weights in the
    checkpoint this is `cappy+agreement`.
    """
    return _combined(pool, None)


def combined_open(pool: Pool) -> Values:
    """Use `combined` with the weights for open instructions, whose answers people judge by how much they help."""
    return _combined(pool, "open")


def combined_short(pool: Pool) -> Values:
    """Use `combined` with the weights for instructions that have a short right answer."""
    return _combined(pool, "short")


def learnt(pool: Pool) -> Values:
    """Use what a task's examples taught; for a scorer made by `cappy.learn_choosing`."""
    return np.array(pool.learnt)


def _combined(pool: Pool, kind: str | None) -> Values:
    if pool.selection is None:
        return cappy_and_agreement(pool)
    texts = [sample.text for sample in pool.samples]
    # Empty samples are chosen only if every sample is empty, and must not affect the others.
    said = np.array([bool(text) for text in texts]) if any(texts) else np.ones(len(texts), dtype=bool)
    kept = [text for text, there in zip(texts, said, strict=True) if there]
    weighing = pool.selection.kinds[kind] if kind else usual_weighing(pool.selection, kept)
    known = (values[said] for values in (np.array(pool.scores), agreement(texts), self_sum(pool), self_mean(pool)))
    found = weighing.values(describe(pool.instruction, kept, *known))
    values = np.full(len(texts), found.min() - 1)
    values[said] = found
    return values


SELECTORS = {
    "first": Selector(first),
    "greedy": Selector(greedy, plan="greedy,sampling*7"),
    "beam": Selector(beam, plan="beam4,sampling*7"),
    "self-sum": Selector(self_sum, likelihoods=True),
    "self-mean": Selector(self_mean, likelihoods=True),
    "longest": Selector(longest),
    "shortest": Selector(shortest),
    "majority": Selector(majority),
    "mbr": Selector(minimum_bayes_risk),
    "cappy": Selector(cappy, scores=True),
    "cappy+agreement": Selector(cappy_and_agreement, scores=True),
    "combined": Selector(combined, scores=True),
    "combined-open": Selector(combined_open, scores=True),
    "combined-short": Selector(combined_short, scores=True),
    "learnt": Selector(learnt, scores=True),
}
"""All selectors by name; commands, the server and `BestOfN` offer these."""


def find_selector(name: str) -> Selector:
    """Return the selector of that name.

    Raises:
        InputError: there is none.

    """
    if name not in SELECTORS:
        raise InputError(f"selector {name!r} is unknown; the selectors are {', '.join(SELECTORS)}.")
    return SELECTORS[name]


def ranked(values: Values, texts: Sequence[str]) -> list[int]:
    """Return sample indices from best to worst by value; ties keep their order.

    Samples without a value come after those with one, and empty samples come last.

    Raises:
        InputError: no sample has a value.

    """
    if not len(values) or np.isnan(values).all():
        raise InputError("the language model reports no log-likelihoods, or no sample has the requested decoding.")
    known = np.nan_to_num(values, nan=-np.inf)
    return sorted(
        range(len(values)), key=lambda place: (not texts[place], bool(np.isnan(values[place])), -known[place])
    )


def choose(values: Values, texts: Sequence[str]) -> int:
    """Return the index of the best sample; see `ranked`."""
    return ranked(values, texts)[0]


def best_place(pool: Pool) -> int:
    """Return the index of the sample that the default selector chooses."""
    return choose(usual(pool), [sample.text for sample in pool.samples])


def usual(pool: Pool) -> Values:
    """Value samples by the default selector; see `usual_selector`."""
    return SELECTORS[usual_selector(pool.selection, bool(pool.learnt))](pool)


def usual_selector(selection: Selection | None, learnt: bool) -> str:
    """Return the default selector of a scorer with weights for `combined`, or that has `learnt` to choose."""
    return "learnt" if learnt else "combined" if selection else "cappy"


def agreement(texts: Sequence[str]) -> Values:
    """Return each text's mean Rouge-L F-measure against the others [texts], in [0, 1]."""
    counts = Counter(texts)
    distinct = list(counts)
    weights = np.array([counts[text] for text in distinct], dtype=float)
    alike = np.eye(len(distinct))
    for i, text in enumerate(distinct):
        for j in range(i):
            alike[i, j] = alike[j, i] = rouge_l(text, [distinct[j]])
    if len(texts) < 2:
        return np.zeros(len(texts))
    means = (alike @ weights - 1) / (len(texts) - 1)  # a text is compared with equal texts, but not with itself
    place = {text: number for number, text in enumerate(distinct)}
    return np.array([means[place[text]] for text in texts])


def scored(scorer: Scorer, instruction: str, samples: Sequence[Sample]) -> Pool:
    """Score samples for selectors that need scores; equal texts are scored once."""
    texts = list(dict.fromkeys(sample.text for sample in samples))
    scores = dict(zip(texts, map(float, scorer.score(instruction, texts)), strict=True))
    own = tuple(scores[sample.text] for sample in samples)
    return Pool(instruction, tuple(samples), own, scorer.selection)


def _searched(sample: Sample) -> bool:
    return sample.decoding.startswith(("beam", "greedy"))


def _named(pool: Pool, kind: str) -> list[bool]:
    return [sample.decoding.startswith(kind) for sample in pool.samples]


def _firsts(wanted: Sequence[bool]) -> Values:
    """Value the wanted samples by their order; the others get no value."""
    return np.array([-float(place) if want else np.nan for place, want in enumerate(wanted)])


def _known(value: float | None) -> float:
    return np.nan if value is None else value
