"""Passages of groups: which texts two sets of groups have in common."""

from __future__ import annotations

from cappy.group import Candidate, Group
from cappy.training.passages import unshared

ASKED = "Read the passage and then answer the question below ."


def about(passage: int, question: int, answer: str = "yes") -> Group:
    text = f"The old house number {passage} near the river was sold to a teacher ."
    return Group(f"{ASKED} {text} What of {question} ?", (Candidate(answer, 1.0, "reference"),), "reading", "t")


def test_groups_of_a_shared_passage_go_and_a_template_s_wording_is_none() -> None:
    training = [about(number, question) for number in range(30) for question in range(2)]
    fresh = [about(number, 0) for number in range(100, 105)]
    shared = [about(number, 7) for number in range(5)]
    assert unshared([*fresh, *shared], training) == fresh


def test_a_passage_of_many_questions_is_no_wording() -> None:
    training = [about(0, question) for question in range(60)] + [about(number, 0) for number in range(1, 70)]
    assert unshared([about(0, 99)], training) == []


def test_right_responses_count_too() -> None:
    told = "nobody had ever seen the house so empty"
    training = [about(number, 0, told if number == 3 else "no") for number in range(20)]
    assert unshared([about(50, 0, told), about(51, 0)], training) == [about(51, 0)]
