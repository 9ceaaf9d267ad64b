"""Every shape that judged answers are published in becomes answers and their worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cappy.data.answer_formats import wins
from cappy.data.answers import JudgedAnswers, drawn_answers, judged_answers, read_answers
from cappy.data.conversations import as_instruction, split_conversation
from cappy.errors import InputError

ASKED = "Name a colour."
TIED = {"response1": "red", "response2": "four", "votes1": 2, "votes2": 0, "ties": 1}
BETTER = {"completion_a": "red", "completion_b": "four", "preference": "b-is-slightly-better"}
TURNS = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]


def read(*rows: dict[str, Any], **options: Any) -> list[JudgedAnswers]:
    found, problems = judged_answers(rows, "rows.jsonl", **options)
    assert not problems
    return found


@pytest.mark.parametrize(
    "row, worth",
    [
        ({"prompt": ASKED, "chosen": "red", "rejected": "four"}, (1, 0)),
        ({"prompt": ASKED, "chosen": ["red"], "rejected": ["four", "five"]}, (1, 0, 0)),
        ({"prompt": ASKED, "chosen": [TURNS[0], {"role": "assistant", "content": "red"}], "rejected": "four"}, (1, 0)),
        ({"input": ASKED, "output_1": "red", "output_2": "four", "label": 1}, (1, 0)),
        ({"input": ASKED, "output_1": "red", "output_2": "four", "label": "2"}, (0, 1)),
        ({"prompt": ASKED, "response_1": "red", "response_2": "four", "label": 0}, (1, 0)),
        ({"prompt": ASKED, **BETTER}, (0, 1)),
        ({"prompt": ASKED, "response_a": "red", "response_b": "four", "winner": "model_a"}, (1, 0)),
        ({"prompt": ASKED, "response_a": "red", "response_b": "four", "winner": "tie (bothbad)"}, (0.5, 0.5)),
        ({"instruction": ASKED, **TIED}, (5 / 6, 1 / 6)),
        ({"instruction": ASKED, "answers": ["red", "four"], "win_rates": [80, 3.5]}, (80, 3.5)),
        ({"instruction": ASKED, "candidates": [{"text": "red", "label": 1.0}, {"text": "four", "label": 0}]}, (1, 0)),
        ({"question": ASKED, "prediction_1": "red", "prediction_2": "four", "preference": [1]}, (1, 0)),
    ],
)  # fmt: skip
def test_a_row_becomes_answers_and_their_worth(row: dict[str, Any], worth: tuple[float, ...]) -> None:
    (found,) = read(row)
    assert found.instruction == ASKED
    assert found.answers[:2] == ("red", "four")
    assert found.worth == pytest.approx(worth)
    assert found.source == "rows"


def test_a_zero_among_the_labels_makes_two_a_tie() -> None:
    rows = [{"prompt": ASKED, "response_1": "red", "response_2": "four", "label": label} for label in (0, 1, 2)]
    assert [one.worth for one in read(*rows)] == [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]


def test_fields_of_models_need_a_table_of_strengths() -> None:
    row = {"instruction": ASKED, "input": "warm", "response_big": "red", "response_small": "four"}
    (found,) = read(row, strengths={"big": 0.9, "small": 0.1, "unused": 1})
    assert (found.instruction, found.worth) == ("Name a colour.\n\nwarm", (0.9, 0.1))
    with pytest.raises(InputError, match="small"):
        read(row, strengths={"big": 0.9})
    with pytest.raises(InputError, match="strengths"):
        read(row)


def test_whole_conversations_are_parted_at_their_last_answer() -> None:
    told = "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: Name a colour.\n\nAssistant: "
    (found,) = read({"chosen": f"{told}red", "rejected": f"{told}four"})
    assert found.instruction == "Human: Hi.\n\nAssistant: Hello.\n\nHuman: Name a colour."
    assert found.answers == ("red", "four")
    messages = [*TURNS, {"from": "human", "value": ASKED}, {"from": "gpt", "value": "red"}]
    assert split_conversation(messages) == (found.instruction, "red")


def test_one_turn_is_an_instruction_as_it_is() -> None:
    assert as_instruction([{"role": "user", "content": ASKED}]) == ASKED
    assert as_instruction("\n\nHuman: Name a colour.\n\nAssistant:") == ASKED
    assert as_instruction("I said: Human: no") == "I said: Human: no"


def test_single_judged_answers_to_one_instruction_come_together() -> None:
    rows = [
        {"prompt": ASKED, "completion": "red", "label": True},
        {"prompt": "Another.", "completion": "x", "label": True},
        {"prompt": ASKED, "completion": "four", "label": False},
    ]
    found = read(*rows)
    assert [(one.answers, one.worth) for one in found] == [(("red", "four"), (1.0, 0.0)), (("x",), (1.0,))]
    (made_up,) = read({"instruction": ASKED, "response": "seven", "hallucination": "yes"})
    assert made_up.worth == (0.0,)


@pytest.mark.parametrize(
    "broken, reason",
    [
        ({"prompt": ASKED, "chosen": "red", "rejected": None}, ""),
        ({"prompt": " ", "chosen": "red", "rejected": "four"}, "empty"),
        ({"prompt": [1], "chosen": "red", "rejected": "four"}, "messages"),
        ({"chosen": "red", "rejected": "four"}, "no instruction"),
    ],
)
def test_rows_that_cannot_be_used_are_told(broken: dict[str, Any], reason: str) -> None:
    good = {"prompt": ASKED, "chosen": "red", "rejected": "four"}
    found, problems = judged_answers([good, broken], "rows.jsonl")
    assert len(found) == 1
    assert problems[0].address == "rows.jsonl:2" and reason in problems[0].reason


def test_unknown_shapes_and_verdicts_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no known format"):
        judged_answers([{"text": "a"}], "rows.jsonl")
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "a", "response_1": "b", "response_2": "c", "label": "good"}))
    with pytest.raises(InputError, match="'good'"):
        read_answers(path)
    path.write_text("")
    with pytest.raises(InputError, match="no rows"):
        read_answers(path)


def test_likelihoods_stay_with_their_answers() -> None:
    row = {"prompt": ASKED, "answers": ["a", "b", "c", "d"], "worth": [1, 2, 3, 4], "log_likelihoods": [-1, -2, -3, -4]}
    (found,) = read(row)
    drawn = drawn_answers(found, 3, seed=0)
    assert len(drawn.answers) == 3 and set(drawn.answers) < set("abcd")
    places = ["abcd".index(text) for text in drawn.answers]
    assert drawn.worth == tuple(place + 1 for place in places)
    assert drawn.log_likelihoods == tuple(-place - 1 for place in places)
    assert drawn_answers(found, 4, seed=0) is found


def test_wins_are_counted_over_every_two() -> None:
    assert wins(3, [1, 1, 0]) == [1.0, 0.25, 0.25]
    with pytest.raises(ValueError, match="3 pairs"):
        wins(3, [1])
