"""Best of n: a language model proposes, Cappy chooses (Tan et al., 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cappy.errors import InputError, LanguageModelError
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.model import LanguageModel, Sample
from cappy.scorer import Scorer
from cappy.selection.learned import read_choosing
from cappy.selection.selectors import NEED_SCORES, Pool, find_selector, ranked, scored, usual_selector
from cappy.selection.stopping import StoppingRule

SEARCHED = {"greedy": "greedy,sampling*7", "beam": "beam4,sampling*7"}
ROUND = 4
"""Samples a round where sampling is adaptive."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """What best of n gives: all samples with their values, and which was chosen.

    `values` [samples] are the selector's, Cappy's scores for `cappy`; `order` lists samples from best to worst.
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
        """Tokens generated, as far as the model counts them."""
        return sum(sample.tokens or 0 for sample in self.samples)

    def __len__(self) -> int:
        """Return how many samples were drawn."""
        return len(self.samples)

    def __iter__(self) -> Iterator[tuple[float, str]]:
        """Go through (value, text) from best to worst."""
        return ((self.values[place], self.samples[place].text) for place in self.order)

    def __str__(self) -> str:
        """Return the chosen response."""
        return self.best


class BestOfN:
    """Samples n responses of a language model and returns the one that a selector, Cappy unless said, finds best.

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
        """Put a model, a scorer and a way of sampling together.

        Args:
            llm: any `LanguageModel`; `cappy.find_llm` finds one by name.
            scorer: needed by the selectors that score.
            n: samples an instruction; with `plan`, what that asks for counts.
            plan: "paper" (17 samples), decodings such as "greedy,temp0.8*7", or `Decoding`s; `n` plain samples
                unless given.
            selector: how to choose, one of `cappy.selection.selectors.SELECTORS`. Unless given, `learnt` for a scorer
                that has learnt to choose, `combined` for one that notes how (both bundled ones do), else `cappy`.
            adaptive: a rule to stop sampling early; samples then come in rounds of `ROUND`.
            max_tokens: longest response, in tokens, where `plan` is a text.
            seed: decides the samples, as far as the model allows.

        Raises:
            InputError: an option does not fit the others.

        """
        if n < 1:
            raise InputError(f"n is {n}, but must be at least 1.")
        self._choosing = None if scorer is None else read_choosing(scorer.checkpoint.folder)
        selector = selector or usual_selector(scorer.selection if scorer else None, self._choosing is not None)
        if selector == "learnt" and scorer is not None and self._choosing is None:
            raise InputError("this scorer has not learnt to choose; make one that has with cappy.learn_choosing.")
        if scorer is None and (selector in NEED_SCORES or adaptive):
            raise InputError(f"selector {selector!r} needs a scorer; load one with cappy.load().")
        self._value = find_selector(selector)
        self.llm, self.scorer, self.selector, self.seed, self._rule = llm, scorer, selector, seed, adaptive
        if isinstance(plan, str):
            self.plan = parse_plan(plan, max_tokens)
        else:
            self.plan = tuple(plan or [Decoding("sampling", n, min_tokens=0, max_tokens=max_tokens)])
        if selector in ("greedy", "beam") and not any(one.name.startswith(selector) for one in self.plan):
            raise InputError(f"selector {selector!r} needs a plan with such a decoding, like {SEARCHED[selector]!r}.")

    def __call__(self, instruction: str, prompt: str | None = None) -> Boosted:
        """Answer one instruction; see `many`.

        Raises:
            LanguageModelError: no sample could be had.

        """
        result = self.many([instruction], None if prompt is None else [prompt])[0]
        if not result.samples:
            raise LanguageModelError(result.error or f"{self.llm.name} gives no samples.")
        return result

    def many(self, instructions: Sequence[str], prompts: Sequence[str] | None = None) -> list[Boosted]:
        """Answer instructions together; `prompts` are what the model is given where that is more than the instruction.

        An instruction whose samples failed has the error in its result; what samples it has are chosen among.
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
        """Yield what to ask for in turn: the plan as it is, or in rounds with sampling rounds named apart."""
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
        """Score samples, and value them by what was learnt where that chooses."""
        assert self.scorer
        pool = scored(self.scorer, instruction, samples)
        if self.selector != "learnt" or self._choosing is None:
            return pool
        return replace(pool, learnt=tuple(self._choosing.values(self.scorer, instruction, samples, pool.scores)))

    def _choose(self, instruction: str, samples: Sequence[Sample], used: int, error: str) -> Boosted:
        if not samples:
            return Boosted(instruction, (), (), (), self.selector, used, error or "the language model gave no samples.")
        scoring = self.scorer is not None and self.selector in NEED_SCORES
        pool = self._scored(instruction, samples) if scoring else Pool(instruction, tuple(samples))
        values = self._value(pool)
        try:
            order = ranked(values, [sample.text for sample in pool.samples])
        except InputError as problem:  # what this selector goes by failed for this one; the others are not lost
            return Boosted(instruction, (), (), (), self.selector, used, error or str(problem))
        shown = tuple(map(float, values))
        return Boosted(instruction, pool.samples, shown, tuple(order), self.selector, used, error)
