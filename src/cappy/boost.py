"""Best of n: a language model proposes, Cappy chooses (Tan et al., 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cappy.errors import InputError, LanguageModelError
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.model import LanguageModel, Sample
from cappy.scorer import Scorer
from cappy.selection.learned import read_choosing
from cappy.selection.selectors import Pool, find_selector, ranked, scored, usual_selector
from cappy.selection.stopping import StoppingRule

ROUND = 4
"""Samples per round of adaptive sampling."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """The result of best of n: all samples with their values, and the choice.

    `values` [samples] are the selector's; for the selector `cappy` they are scores. `order` lists sample indices from
    best to worst.
    """

    instruction: str
    samples: tuple[Sample, ...]
    values: tuple[float, ...]
    order: tuple[int, ...]
    selector: str
    prompt_tokens: int = 0
    error: str = ""

    @property
    def best(self) -> str:
        """The chosen response."""
        return self.samples[self.order[0]].text

    @property
    def tokens(self) -> int:
        """Tokens generated, if the model reports them."""
        return sum(sample.tokens or 0 for sample in self.samples)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __iter__(self) -> Iterator[tuple[float, str]]:
        """Iterate over (value, text) from best to worst."""
        return ((self.values[place], self.samples[place].text) for place in self.order)

    def __str__(self) -> str:
        """Return the chosen response."""
        return self.best


class BestOfN:
    """Samples n responses from a language model and returns the one that a selector values most.

    >>> import cappy
    >>> boost = cappy.BestOfN(cappy.find_llm("smollm2"), cappy.load(), n=8)
    >>> boost("Name the capital of France.").best
    """

    def __init__(
        self,
        llm: LanguageModel,
        scorer: Scorer | None = None,
        n: int = 16,
        plan: str | Sequence[Decoding] | None = None,
        *,
        selector: str | None = None,
        adaptive: StoppingRule | None = None,
        max_tokens: int = 64,
        seed: int = 0,
    ) -> None:
        """Combine a model, a scorer and a way of sampling.

        Args:
            llm: any `LanguageModel`; `cappy.find_llm` finds one by name.
            scorer: required by selectors that score.
            n: samples per instruction; ignored if `plan` is given.
            plan: "paper" (17 samples), decodings such as "greedy,temp0.8*7", or `Decoding`s; by default `n` plain
                samples.
            selector: how to choose, one of `cappy.selection.selectors.SELECTORS`. The default is `learnt` for a scorer
                that has learnt to choose, `combined` for one with weights (both bundled ones), else `cappy`.
            adaptive: a rule that stops sampling early; samples then come in rounds of `ROUND`.
            max_tokens: maximum tokens of a response; ignored if `plan` holds `Decoding`s.
            seed: decides the samples, as far as the model supports it.

        Raises:
            InputError: options do not fit together.

        """
        if n < 1:
            raise InputError(f"n is {n}, but must be at least 1.")
        self._choosing = None if scorer is None else read_choosing(scorer.checkpoint.folder)
        selector = selector or usual_selector(scorer.selection if scorer else None, self._choosing is not None)
        if selector == "learnt" and scorer is not None and self._choosing is None:
            raise InputError("this scorer has not learnt to choose; make one that has with cappy.learn_choosing.")
        self._value = find_selector(selector)
        if scorer is None and (self._value.scores or adaptive):
            raise InputError(f"selector {selector!r} needs a scorer; load one with cappy.load().")
        self.llm, self.scorer, self.selector, self.seed, self._rule = llm, scorer, selector, seed, adaptive
        if isinstance(plan, str):
            self.plan = parse_plan(plan, max_tokens)
        else:
            self.plan = tuple(plan or [Decoding("sampling", n, min_tokens=0, max_tokens=max_tokens)])
        needed = self._value.plan
        if needed and not any(one.name.startswith(selector) for one in self.plan):
            raise InputError(f"selector {selector!r} needs a plan with such a decoding, like {needed!r}.")

    def __call__(self, instruction: str, prompt: str | None = None) -> Boosted:
        """Answer one instruction; see `many`.

        Raises:
            LanguageModelError: no sample could be drawn.

        """
        result = self.many([instruction], None if prompt is None else [prompt])[0]
        if not result.samples:
            raise LanguageModelError(result.error or f"{self.llm.name} gives no samples.")
        return result

    def many(self, instructions: Sequence[str], prompts: Sequence[str] | None = None) -> list[Boosted]:
        """Answer several instructions; `prompts` is what the model reads, if that is more than the instruction.

        If sampling fails for an instruction, its result holds the error, and the choice is among the samples it has.
        """
        asked = list(instructions if prompts is None else prompts)
        if len(asked) != len(instructions):
            raise InputError(f"there are {len(instructions)} instructions and {len(asked)} prompts.")
        drawn: list[list[Sample]] = [[] for _ in asked]
        errors = ["" for _ in asked]
        used = [0 for _ in asked]
        open_places = list(range(len(asked)))
        for decoding in self._rounds():
            if not open_places:
                break
            found = self.llm.generate([asked[place] for place in open_places], decoding, self.seed)
            for place, samples in zip(open_places, found, strict=True):
                drawn[place] += samples.samples
                used[place] += samples.prompt_tokens or 0
                errors[place] = errors[place] or samples.error
            if self._rule:
                open_places = [place for place in open_places if not self._enough(instructions[place], drawn[place])]
        return [
            self._choose(instruction, samples, tokens, error)
            for instruction, samples, tokens, error in zip(instructions, drawn, used, errors, strict=True)
        ]

    def _rounds(self) -> Iterator[Decoding]:
        """Yield decodings in order: the plan itself, or in rounds if sampling is adaptive."""
        if not self._rule:
            yield from self.plan
            return
        for decoding in self.plan:
            for number, start in enumerate(range(0, decoding.count, ROUND)):
                name = f"{decoding.name}#{number}" if decoding.count > ROUND else decoding.name
                yield replace(decoding, name=name, count=min(ROUND, decoding.count - start))

    def _enough(self, instruction: str, samples: Sequence[Sample]) -> bool:
        assert self._rule
        return len(samples) >= ROUND and self._rule.stops(self._scored(instruction, samples))

    def _scored(self, instruction: str, samples: Sequence[Sample]) -> Pool:
        """Score samples, and value them by what was learnt if the selector is `learnt`."""
        assert self.scorer
        pool = scored(self.scorer, instruction, samples)
        if self.selector != "learnt" or self._choosing is None:
            return pool
        return replace(pool, learnt=tuple(self._choosing.values(self.scorer, instruction, samples, pool.scores)))

    def _choose(self, instruction: str, samples: Sequence[Sample], used: int, error: str) -> Boosted:
        if not samples:
            return Boosted(instruction, (), (), (), self.selector, used, error or "the language model gave no samples.")
        scoring = self.scorer is not None and self._value.scores
        pool = self._scored(instruction, samples) if scoring else Pool(instruction, tuple(samples))
        values = self._value(pool)
        try:
            order = ranked(values, [sample.text for sample in pool.samples])
        except InputError as problem:  # this instruction failed; the others are kept
            return Boosted(instruction, (), (), (), self.selector, used, error or str(problem))
        shown = tuple(map(float, values))
        return Boosted(instruction, pool.samples, shown, tuple(order), self.selector, used, error)
