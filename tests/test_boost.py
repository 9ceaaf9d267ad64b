"""Best of n with the bundled scorer: what is chosen, rounds, failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import cappy
from cappy.boost import BestOfN
from cappy.errors import InputError, LanguageModelError
from cappy.llm.decoding import Decoding
from cappy.llm.gguf import GgufLLM
from cappy.llm.model import Sample, Samples
from cappy.selection.selectors import SELECTORS, scored
from cappy.selection.stopping import StoppingRule

ANSWERS = ["London is a city", "Paris", "I do not know", "Rome", "Berlin", "Madrid", "Paris", ""]
NEVER = StoppingRule((-50.0, 0, 0, 0, 0, 0))
ALWAYS = StoppingRule((50.0, 0, 0, 0, 0, 0))


class Script:
    """Gives the answers of a list in turn; prompts that hold "fail" give an error."""

    name = "script"

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], str, int]] = []
        self.given: dict[str, int] = {}

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        self.asked.append((tuple(prompts), decoding.name, decoding.count))
        found = []
        for prompt in prompts:
            start = self.given.get(prompt, 0)
            self.given[prompt] = start + decoding.count
            texts = [ANSWERS[(start + i) % len(ANSWERS)] for i in range(decoding.count)]
            samples = tuple(Sample(text, decoding.name, -1.0, 3) for text in texts)
            found.append(Samples((), "it broke.") if "fail" in prompt else Samples(samples, "", 5))
        return found


@pytest.fixture(scope="module")
def scorer() -> cappy.Scorer:
    return cappy.load("mini")


def test_the_scorer_chooses(scorer: cappy.Scorer) -> None:
    question = "What is the capital of France?"
    result = BestOfN(Script(), scorer, n=8, selector="cappy")(question)
    ranking = scorer.rank(question, ANSWERS)
    assert result.best == str(result) == ranking.best.text
    assert len(result) == 8 and result.tokens == 24 and result.prompt_tokens == 5
    values = [value for value, text in result if text]
    assert values == sorted(values, reverse=True)
    assert not any(text for _, text in list(result)[len(values) :])  # empty responses come last
    assert {text: value for value, text in result} == pytest.approx({i.text: i.score for i in ranking}, abs=1e-6)


def test_other_selectors_and_plans() -> None:
    llm = Script()
    result = BestOfN(llm, n=3, plan="greedy,sampling*4", selector="majority")("what?")
    assert [(name, count) for _, name, count in llm.asked] == [("greedy", 1), ("sampling", 4)]
    assert result.best == ANSWERS[0] and len(result) == 5
    with pytest.raises(InputError, match="needs a scorer"):
        BestOfN(llm, selector="cappy")
    with pytest.raises(InputError, match="needs a plan with such a decoding"):
        BestOfN(llm, selector="greedy")
    with pytest.raises(InputError, match="at least 1"):
        BestOfN(llm, n=0, selector="first")


def test_a_prompt_may_say_more_than_the_instruction(scorer: cappy.Scorer) -> None:
    llm = Script()
    result = BestOfN(llm, scorer, n=2)("Name a city.", prompt="Q: Name a river. A: Rhine\nQ: Name a city. A:")
    assert llm.asked[0][0] == ("Q: Name a river. A: Rhine\nQ: Name a city. A:",)
    assert result.instruction == "Name a city."
    with pytest.raises(InputError, match="2 instructions and 1 prompts"):
        BestOfN(llm, scorer).many(["a", "b"], ["a"])


def test_adaptive_sampling_stops_and_goes_on(scorer: cappy.Scorer) -> None:
    eager, patient = Script(), Script()
    assert len(BestOfN(eager, scorer, n=16, adaptive=ALWAYS)("what?")) == 4
    assert len(eager.asked) == 1
    every = BestOfN(patient, scorer, n=10, adaptive=NEVER)("what?")
    assert [count for _, _, count in patient.asked] == [4, 4, 2] and len(every) == 10
    short = BestOfN(Script(), scorer, plan="greedy,sampling*8", adaptive=ALWAYS)("what?")
    assert len(short) == 5  # the rule is not asked before a round is full
    assert len({name for _, name, _ in patient.asked}) == 3  # rounds are other samples, not the same again


def test_only_open_instructions_are_sampled_on(scorer: cappy.Scorer) -> None:
    first = scored(scorer, "a good one?", [Sample(text) for text in ANSWERS[:4]])
    other = scored(scorer, "what about this?", [Sample(text) for text in ANSWERS[:4]])
    assert max(first.scores) != max(other.scores)
    between = (max(first.scores) + max(other.scores)) / 2
    rule = StoppingRule((-1000 * between, 1000.0, 0, 0, 0, 0), threshold=0.5)
    found = BestOfN(Script(), scorer, n=8, adaptive=rule).many(["a good one?", "what about this?"])
    lengths = {result.instruction: len(result) for result in found}
    high = "a good one?" if max(first.scores) > max(other.scores) else "what about this?"
    assert lengths[high] == 4


def test_failures_are_said_and_cost_the_others_nothing(scorer: cappy.Scorer) -> None:
    boost = BestOfN(Script(), scorer, n=2)
    good, bad = boost.many(["what?", "fail here"])
    assert good.best and not good.error
    assert bad.samples == () and bad.error == "it broke."
    with pytest.raises(LanguageModelError, match="it broke"):
        boost("fail here")


def test_a_real_model_is_boosted(smollm2: GgufLLM, scorer: cappy.Scorer) -> None:
    result = cappy.BestOfN(smollm2, scorer, plan="greedy,sampling*3", max_tokens=16)("Name the capital of France.")
    assert len(result) == 4 and result.tokens >= 4
    assert result.best == max(result, key=lambda pair: pair[0])[1]


def test_what_chooses_unless_it_is_said(shared_bert: Path) -> None:
    assert BestOfN(Script(), cappy.load(shared_bert)).selector == "cappy"
    base = cappy.load()
    result = BestOfN(Script(), base, n=8)("What is the capital of France?")
    assert result.selector == "combined"  # as cappy-base notes how all that is known is weighed
    assert list(result.values) == pytest.approx(
        list(SELECTORS["combined"](scored(base, "What is the capital of France?", result.samples)))
    )
