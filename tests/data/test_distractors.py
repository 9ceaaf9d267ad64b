"""Suggested wrong answers: one test a rule, and that none of them repeats what is right."""

from __future__ import annotations

import random

import pytest

from cappy.data.distractors import (
    CUT,
    EXCHANGED,
    LOOPED,
    ORIGIN,
    copy_sentence,
    cut_short,
    exchange,
    loop,
    names,
    numbers,
    passage,
    rewrites,
    suggest,
    with_suggested,
    without_suggested,
)
from cappy.group import Candidate, Group
from cappy.metrics.references import rouge_l

TOLD = (
    "The Danube rises in the Black Forest and flows through Vienna and Budapest before it reaches the Black Sea. "
    "It is 2,850 kilometres long. In 1838 a great flood destroyed much of Pest. Ten countries share its basin."
)
ASKED = f"{TOLD}\n\nInto which sea does the river flow?"
SUMMARY = "The river Danube, 2,850 kilometres long, flows from the Black Forest through Vienna to the sea."


def group(instruction: str, right: str, origin: str = "other") -> Group:
    return Group(
        instruction, (Candidate(right, 1.0, "reference"), Candidate("something else", 0.0, origin)), "t", "t/a"
    )


def suggested(made: Group) -> list[Candidate]:
    return [one for one in made.candidates if one.origin == ORIGIN]


def test_a_short_answer_gets_other_names_numbers_and_spans_of_the_passage() -> None:
    seen: set[str] = set()
    for seed in range(30):
        found = suggested(suggest(group(ASKED, "Black Sea"), seed))
        assert 2 <= len(found) <= 4
        assert all(one.label == 0.0 and one.text in TOLD for one in found)
        seen |= {one.text for one in found}
    assert {"Vienna", "Budapest", "1838"} <= seen
    assert not any("Black" in text or "Sea" in text for text in seen)  # partly right
    assert any(text[0].islower() for text in seen)


def test_a_short_answer_is_met_by_its_own_kind_first() -> None:
    for seed in range(10):
        texts = [one.text for one in suggested(suggest(group(ASKED, "1838"), seed))]
        assert "2,850" in texts


def test_a_short_answer_that_the_instruction_does_not_hold_gets_nothing() -> None:
    plain = group(ASKED, "yes")
    assert suggest(plain, 0) is plain


def test_an_exchanged_name_or_number_is_labelled_so() -> None:
    for seed in range(10):
        text = exchange(SUMMARY, ASKED, random.Random(seed))
        assert text is not None
        assert text != SUMMARY
        assert len(set(text.split()) ^ set(SUMMARY.split())) <= 6
        assert {*names(text), *numbers(text)} & {"Budapest", "Pest", "1838"}
    assert exchange("nothing to change here at all", ASKED, random.Random(0)) is None
    changed = exchange("It was built in 1912 by hand.", "When was it built?", random.Random(0))
    assert changed is not None
    assert 0 < abs(int(numbers(changed)[0]) - 1912) <= 10


def test_a_cut_answer_is_labelled_by_its_rouge_l() -> None:
    text = cut_short(SUMMARY, random.Random(0))
    assert text is not None
    assert SUMMARY.startswith(text)
    assert 0.3 < len(text.split()) / len(SUMMARY.split()) < 0.7
    made = {one.text: one.label for seed in range(8) for one in rewrites(ASKED, [SUMMARY], 4, random.Random(seed))}
    cut = [text for text in made if SUMMARY.startswith(text)]
    assert cut
    assert all(made[text] == pytest.approx(CUT * rouge_l(text, [SUMMARY])) for text in cut)


def test_a_looped_answer_repeats_its_beginning() -> None:
    text = loop(SUMMARY, random.Random(0))
    assert text is not None
    start = text.split()[: len(set(text.split()))]
    assert SUMMARY.startswith(" ".join(start))
    assert text.count(" ".join(start)) >= 3


def test_a_copied_sentence_is_labelled_by_its_rouge_l() -> None:
    text = copy_sentence(ASKED, random.Random(0))
    assert text is not None
    assert text in TOLD
    assert copy_sentence("One sentence alone stands here. What is it?", random.Random(0)) is None


def test_a_long_answer_gets_rewrites_with_the_label_of_their_rule() -> None:
    labels = set()
    for seed in range(20):
        found = suggested(suggest(group(ASKED, SUMMARY), seed))
        assert 1 <= len(found) <= 3
        for one in found:
            if one.text in TOLD:
                assert one.label == pytest.approx(rouge_l(one.text, [SUMMARY]))
            labels.add(one.label)
    assert {EXCHANGED, LOOPED} < labels


def test_a_long_answer_among_choices_is_not_rewritten() -> None:
    plain = group(ASKED, SUMMARY, origin="choice")
    assert suggest(plain, 0) is plain


def test_no_suggestion_repeats_a_candidate() -> None:
    asked = Group(ASKED, (Candidate("Black Sea", 1.0, "reference"), Candidate("vienna", 0.0, "other")), "t")
    for seed in range(20):
        texts = [one.text.lower() for one in suggest(asked, seed).candidates]
        assert len(texts) == len(set(texts))


def test_the_seed_and_the_group_alone_decide() -> None:
    groups = [group(f"{TOLD}\n\nQuestion {i}: which sea?", "Black Sea") for i in range(200)]
    half = with_suggested(groups, 0.5, 0)
    assert half == with_suggested(groups, 0.5, 0)
    assert half[::-1] == with_suggested(groups[::-1], 0.5, 0)
    assert half != with_suggested(groups, 0.5, 1)
    assert 70 < sum(map(bool, map(suggested, half))) < 130
    assert with_suggested(groups, 0.0, 0) == groups
    assert [without_suggested(one) for one in half] == groups


def test_the_passage_is_the_longest_paragraph_and_names_are_not_first_words() -> None:
    assert passage(ASKED) == TOLD
    assert names("Dogs bark. The Danube flows. Maria Lang met Otto.") == ["Danube", "Maria Lang", "Otto"]
