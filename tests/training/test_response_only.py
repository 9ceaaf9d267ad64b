from __future__ import annotations

from cappy.group import Candidate, Group
from cappy.text.normalization import normalise
from cappy.training.response_only import with_response_only_negatives


def asked(number: int, task: str = "own") -> Group:
    right, wrong = f"right {number}", f"wrong {number}"
    return Group(f"question {number}", (Candidate(right, 1.0, "reference"), Candidate(wrong, 0.0)), task, "t")


def test_right_answers_of_other_rows_are_wrong_here() -> None:
    groups = [asked(i) for i in range(40)]
    lent = with_response_only_negatives(groups, 1.0, 0)
    more = [new.candidates[2:] for old, new in zip(groups, lent, strict=True) if new != old]
    assert len(more) == 40
    assert all(one.label == 0.0 and one.origin == "other" for part in more for one in part)
    assert all(part[0].text.startswith("right") and part[1].text.startswith("wrong") for part in more)
    for old, new in zip(groups, lent, strict=True):
        assert new.candidates[:2] == old.candidates
        assert len({normalise(one.text) for one in new.candidates}) == len(new.candidates)
        assert (new.instruction, new.task, new.template) == (old.instruction, old.task, old.template)


def test_the_share_and_the_seed_decide() -> None:
    groups = [asked(i) for i in range(400)]
    assert with_response_only_negatives(groups, 0.0, 0) == groups
    half = with_response_only_negatives(groups, 0.5, 0)
    assert 150 < sum(a != b for a, b in zip(groups, half, strict=True)) < 250
    assert with_response_only_negatives(groups, 0.5, 0) == half
    assert with_response_only_negatives(groups, 0.5, 1) != half


def test_tasks_lend_to_none_but_themselves_and_closed_sets_to_none() -> None:
    closed = [
        Group(f"is {i} even?", (Candidate("yes", float(i % 2 == 0)), Candidate("no", float(i % 2))), "closed", "t")
        for i in range(20)
    ]
    lent = with_response_only_negatives([asked(1, "a"), asked(2, "b"), *closed], 1.0, 0)
    assert lent == [asked(1, "a"), asked(2, "b"), *closed]


def test_answers_that_were_lent_already_are_enough() -> None:
    lent = [Group(f"q{i}", (Candidate(f"a{i}", 1.0), Candidate("x", 0.0, "other")), "open", "t") for i in range(9)]
    assert with_response_only_negatives(lent, 1.0, 0) == lent


def test_half_right_answers_are_lent_as_neither() -> None:
    graded = [Group(f"q{i}", (Candidate(f"a{i}", 1.0), Candidate(f"b{i}", 0.4)), "graded", "t") for i in range(9)]
    for group in with_response_only_negatives(graded, 1.0, 0):
        assert [one.text[0] for one in group.candidates] == ["a", "b", "a"]
