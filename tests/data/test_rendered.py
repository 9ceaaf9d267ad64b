from __future__ import annotations

from cappy.data.negatives import WrongAnswers, make_groups
from cappy.data.rendered import Rendered, rendered_examples, task_of
from cappy.group import Group
from cappy.text.normalization import normalise


def groups(rows: list[Rendered]) -> list[Group]:
    examples = [example for _, example in rendered_examples(rows)]
    return [group for _, group in make_groups(examples, WrongAnswers(near=2, far=2), seed=0)]


def truths(group: Group) -> list[str]:
    return [candidate.text for candidate in group.candidates if candidate.label == 1]


def test_closed_label_set_becomes_the_choices() -> None:
    rows = [Rendered("imdb_x", f"film {i} was a film", ["good", "bad"][i % 2]) for i in range(60)]
    for row, group in zip(rows, groups(rows), strict=True):
        assert sorted(c.text for c in group.candidates) == ["bad", "good"]
        assert truths(group) == [row.response]
        assert group.task == "imdb"


def test_a_template_with_one_answer_teaches_nothing_and_is_left_out() -> None:
    assert groups([Rendered("imdb_x", f"film {i}", "bad") for i in range(60)]) == []


def test_other_responses_are_wrong_answers_and_never_the_truth_again() -> None:
    rows = [Rendered("xsum_a", f"article {i // 2}", f"Summary {i // 3}!") for i in range(90)]
    by_instruction: dict[str, set[str]] = {}
    for row in rows:
        by_instruction.setdefault(row.instruction, set()).add(normalise(row.response))
    made = groups(rows)
    assert len(made) == 90
    for group in made:
        wrong = [c.text for c in group.candidates if c.label == 0]
        assert len(wrong) == 4 == len({normalise(text) for text in wrong})
        assert not {normalise(text) for text in wrong} & by_instruction[group.instruction]
        assert {c.origin for c in group.candidates} == {"reference", "other"}


def test_choices_are_borrowed_from_another_rendering_of_the_row() -> None:
    question = "the forgotten leftovers were covered in mold in the back of his what number"
    listed = [
        Rendered("sciq_listed", f"{question} {i} ?\n- fridge {i}\n- carpet {i}\n- bread {i}", f"fridge {i}")
        for i in range(30)
    ]
    plain = [Rendered("sciq_plain", f"{question} {i} ?", f"fridge {i}") for i in range(30)]
    for i, group in enumerate(groups(listed + plain)[30:]):
        assert sorted(c.text for c in group.candidates) == [f"bread {i}", f"carpet {i}", f"fridge {i}"]
        assert truths(group) == [f"fridge {i}"]


def test_the_same_seed_gives_the_same_groups() -> None:
    rows = [Rendered("xsum_a", f"article {i}", f"Summary {i}") for i in range(50)]
    assert groups(rows) == groups(rows)


def test_task_of_template_names() -> None:
    assert task_of("wiki_qa_exercise") == "wiki_qa"
    assert task_of("my_own_template") == "my_own_template"


def test_normalise_keeps_symbols_that_are_all_there_is() -> None:
    assert normalise("  Don't, STOP! ") == "don t stop"
    assert normalise("★★") != normalise("★★★")
