"""Prompts with worked examples."""

from __future__ import annotations

from cappy.group import Example
from cappy.llm.prompts import few_shot_prompt

EXAMPLES = [Example(f"Q: what is {n}?\nA:", (f"it is {n}", "other")) for n in range(8)]


def test_examples_stand_before_the_instruction() -> None:
    prompt = few_shot_prompt(EXAMPLES, "Q: what is nine?\nA:", 3, seed=0)
    parts = prompt.split("\n\n")
    assert len(parts) == 4 and parts[-1] == "Q: what is nine?\nA:"
    known = {f"{example.instruction} {example.references[0]}" for example in EXAMPLES}
    assert len(set(parts[:3])) == 3 and set(parts[:3]) <= known


def test_the_answer_is_never_shown() -> None:
    for example in EXAMPLES:
        prompt = few_shot_prompt(EXAMPLES, example.instruction, 8, seed=1)
        assert example.references[0] not in prompt and prompt.count("Q:") == 8


def test_the_seed_and_the_instruction_decide() -> None:
    prompts = {few_shot_prompt(EXAMPLES, "Q: nine?", 2, seed) for seed in range(10)}
    assert len(prompts) > 3
    assert few_shot_prompt(EXAMPLES, "Q: nine?", 2, 4) == few_shot_prompt(EXAMPLES, "Q: nine?", 2, 4)


def test_long_examples_are_left_out() -> None:
    examples = [*EXAMPLES, Example("long " * 100, ("x",))]
    prompt = few_shot_prompt(examples, "Q: nine?", 9, seed=0, characters=120)
    assert len(prompt) <= 120 and "long" not in prompt and prompt.count("Q: what") >= 3
    assert few_shot_prompt(EXAMPLES, "Q: nine?" * 99, 3, 0, characters=10) == "Q: nine?" * 99
    assert few_shot_prompt([], "Q: nine?", 3, 0) == "Q: nine?"
