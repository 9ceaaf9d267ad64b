"""Further sets: real little rows, and what becomes of them."""

from __future__ import annotations

from cappy.group import Candidate, Group
from cappy.training.extra_sets import FURTHER


def groups(file: str, rows: list[dict[str, object]]) -> list[Group]:
    return list(FURTHER[file].groups(rows, "0"))


def labels(group: Group) -> dict[str, float | None]:
    return {one.text: one.label for one in group.candidates}


def test_intents_are_written_in_words_and_half_are_listed() -> None:
    rows = [
        {"text": f"{said} {i}", "intent": intent}
        for i in range(40)
        for said, intent in (
            ("play a song", "PlayMusic"),
            ("add this tune", "AddToPlaylist"),
            ("rate it five stars", "RateBook"),
        )
    ]
    found = groups("snips_built_in", rows)
    assert found == groups("snips_built_in", rows)
    assert len(found) == 120
    texts = {one.text.lower().replace("_", " ").replace("-", " ") for group in found for one in group.candidates}
    assert texts == {"play music", "add to playlist", "rate book"}
    for group, row in zip(found, rows, strict=True):
        assert sorted(labels(group).values()) == [0.0, 0.0, 1.0]
        assert str(row["text"]) in group.instruction
        shown = all(one.text in group.instruction for one in group.candidates)
        assert shown == (group.template == "listed")
    assert 40 < sum(group.template == "listed" for group in found) < 80


def test_sums_ask_for_the_number_or_the_solution() -> None:
    rows = [
        {
            "question": f"Anna has {i} pens and buys {3 * i} more. How many has she?",
            "answer": f"She buys 3*{i}=<<3*{i}={3 * i}>>{3 * i}.\nShe has {i}+{3 * i}=<<{i}+{3 * i}={4 * i}>>{4 * i}.\n"
            f"#### {4 * i}",
        }
        for i in range(11, 51)
    ]
    found = groups("gsm8k", rows)
    short = [group for group in found if group.template == "number"]
    worked = [group for group in found if group.template == "solution"]
    assert len(short) + len(worked) == 40
    assert min(len(short), len(worked)) > 8
    for group in short:
        i = int(group.instruction.split()[2])
        assert [text for text, label in labels(group).items() if label] == [str(4 * i)]
        assert {str(i), str(3 * i)} & set(labels(group))
    for group in worked:
        i = int(group.instruction.partition("Anna has ")[2].split()[0])
        (right,) = [text for text, label in labels(group).items() if label]
        assert right.endswith(f"The answer is {4 * i}.")
        assert "<<" not in right and "####" not in right


def test_descriptions_of_the_same_attributes_are_one_group_with_two_references() -> None:
    rows = [
        {"meaning_representation": f"name[Place {i}], food[Thai]", "human_reference": f"Place {i} {verb} Thai food."}
        for i in range(20)
        for verb in ("serves", "offers", "sells")
    ]
    found = groups("e2e_nlg", rows)
    assert len(found) == 20
    for i, group in enumerate(found):
        right = [text for text, label in labels(group).items() if label == 1.0]
        wrong = [text for text, label in labels(group).items() if label == 0.0]
        assert len(right) == 2 and all(text.startswith(f"Place {i} ") for text in right)
        assert wrong and not any(text.startswith(f"Place {i} ") for text in wrong)
        assert f"name[Place {i}]" in group.instruction


def test_scenes_name_their_words() -> None:
    rows = [{"concepts": ["dog", f"tree{i}"], "target": f"a dog runs around tree{i}"} for i in range(10)]
    found = groups("common_gen", rows)
    assert len(found) == 10
    assert all(f"dog, tree{i}" in group.instruction for i, group in enumerate(found))


def test_judged_answers_have_the_labels_people_gave() -> None:
    rows = [
        {
            "question": f"who wrote book {i}",
            "golden_answer": f"Writer {i}/W. {i}th",
            "model": model,
            "answer": f"{model} says {'Writer' if model == 'gpt4' else 'Painter'} {i}",
            "correct": model == "gpt4",
            "source": "natural_questions",
        }
        for i in range(12)
        for model in ("gpt4", "fid")
    ]
    for i, group in enumerate(groups("evouna", rows)):
        found = labels(group)
        assert found.pop(f"Writer {i}") == found.pop(f"W. {i}th") == found.pop(f"gpt4 says Writer {i}") == 1.0
        assert found.pop(f"fid says Painter {i}") == 0.0
        assert len(found) == 2 and set(found.values()) == {0.0}  # answers to other questions
        assert not any(text.endswith(f" {i}") for text in found)
        assert any(one.sampled for one in group.candidates)
    slash = [{**rows[0], "golden_answer": "9/11/the attacks"}]
    right = [one.text for group in groups("evouna", slash) for one in group.candidates if one.origin == "reference"]
    assert right == ["9/11", "the attacks"]


def test_a_hallucinated_answer_is_wrong() -> None:
    row = {
        "knowledge": "Babe is a film by Chris Noonan.",
        "question": "Who made Babe?",
        "right_answer": "Chris Noonan",
        "hallucinated_answer": "Babe was made by Peter Weir.",
    }
    (group,) = groups("halueval_qa", [row, {**row, "hallucinated_answer": "chris noonan"}])
    assert group.candidates == (
        Candidate("Chris Noonan", 1.0, "reference"),
        Candidate("Babe was made by Peter Weir.", 0.0, "sample:hallucinated"),
    )
    assert row["knowledge"] in group.instruction and row["question"] in group.instruction
