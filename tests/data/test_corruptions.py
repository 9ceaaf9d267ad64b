"""Wrong answers of open instructions: each rule does what it says, and only where it applies."""

from __future__ import annotations

import random

import pytest

from cappy.data.conversations import earlier_answers
from cappy.data.corruptions import RULES, Open, spoiled
from cappy.metrics.references import rouge_l
from cappy.text.normalization import normalise

ANSWER = (
    "Paris is the capital of France. It lies on the Seine. About 2100000 people live there. "
    "Many visit the Louvre every year."
)
LISTED = "Three colours:\n\n1. red\n2. green\n- **blue**"
GIVEN = Open("Tell me about the capital of France.", ANSWER, 0.8, ("London lies on the Thames.",))


def made(rule: str, given: Open = GIVEN, seed: int = 0) -> str | None:
    return RULES[rule][0](given, random.Random(seed))


def test_a_neighbour_lends_its_answer() -> None:
    assert made("neighbour") == "London lies on the Thames."
    assert made("neighbour", Open("a", "b", 1)) is None


def test_an_earlier_turn_lends_its_answer() -> None:
    told = "Human: Hi.\n\nAssistant: Hello there.\n\nHuman: Name a colour."
    assert earlier_answers(told) == ["Hello there."]
    assert made("earlier", Open(told, "red", 1)) == "Hello there."
    assert made("earlier") is None


@pytest.mark.parametrize("seed", range(8))
def test_an_echo_holds_the_instruction(seed: int) -> None:
    assert GIVEN.instruction in (made("echo", seed=seed) or "")


@pytest.mark.parametrize("rule", ["refusal", "foreign"])
def test_empty_answers_hold_nothing_of_the_good_one(rule: str) -> None:
    for seed in range(8):
        assert rouge_l(made(rule, seed=seed) or "", [ANSWER]) < 0.25


def test_nothing_foreign_is_said_where_a_language_may_be_asked_for() -> None:
    for asked in ("Translate this to German: red", "Say it in Spanish.", "Что это такое?"):
        assert made("foreign", Open(asked, "rot", 1)) is None


def test_a_loop_repeats_the_beginning() -> None:
    text = made("looped") or ""
    assert text.startswith("Paris is the") and text.count("Paris is the") >= 3
    assert made("looped", Open("a", "red", 1)) is None


def test_an_exchange_changes_one_thing() -> None:
    text = made("exchanged") or ""
    changed = [(a, b) for a, b in zip(ANSWER.split(), text.split(), strict=True) if a != b]
    assert len(changed) == 1


def test_a_shuffle_keeps_the_sentences() -> None:
    text = made("shuffled") or ""
    assert text != ANSWER
    assert sorted(text.split()) == sorted(ANSWER.split())
    assert made("shuffled", Open("a", "One. Two.", 1)) is None


def test_a_cut_answer_is_a_beginning() -> None:
    text = made("cut") or ""
    assert ANSWER.startswith(text) and 0.3 < len(text) / len(ANSWER) < 0.75
    assert made("cut", Open("a", "four words, no more", 1)) is None


def test_format_is_lost() -> None:
    assert made("unformatted", Open("a", LISTED, 1)) == "Three colours: red green **blue**"
    assert made("unformatted") is None


def test_of_a_group_every_wrong_answer_is_another_and_labelled_by_its_rule() -> None:
    found = spoiled(GIVEN, 10, random.Random(0))
    rules = [one.origin.removeprefix("spoiled:") for one in found]
    assert rules[0] == "neighbour" and set(rules) == set(RULES) - {"earlier", "unformatted"}
    for rule, candidate in zip(rules, found, strict=True):
        _, label, share = RULES[rule]
        assert candidate.label == pytest.approx(label * (0.8 if share else 1))
        assert not candidate.is_right
    assert len({normalise(one.text) for one in found} | {normalise(ANSWER)}) == len(found) + 1
    assert len(spoiled(GIVEN, 2, random.Random(0))) == 2
    assert spoiled(GIVEN, 3, random.Random(1)) == spoiled(GIVEN, 3, random.Random(1))


def test_an_answer_that_a_rule_leaves_as_it_is_is_none() -> None:
    refused = Open("a", "I'm sorry, but I can't help with that.", 0.9)
    assert all(one.text != refused.answer for seed in range(40) for one in spoiled(refused, 10, random.Random(seed)))
