"""Judged answers of any shape as a source of a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cappy.data.build import build
from cappy.data.judged_source import JudgedSource, Neighbours
from cappy.data.recipefile import read_recipe
from cappy.data.source import Problem
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.group import Candidate, Group

SEA = "Which sea does the Danube flow into?"
PAIR = {"prompt": SEA, "chosen": "Into the Black Sea, in Romania.", "rejected": "Into the North Sea."}
RIVER = {
    "prompt": "Which sea does the Rhine flow into?",
    "chosen": "Into the North Sea, near Rotterdam in the Netherlands.",
    "rejected": "I do not know.",
}
RATED = {"prompt": "Name a fruit.", "answers": ["A pear.", "A stone.", "A table."], "worth": [9, 2, 1]}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def groups(source: JudgedSource) -> list[Group]:
    (chunk,) = source.chunks()
    return [found for found in source.examples(chunk) if isinstance(found, Group)]


def problems(source: JudgedSource) -> list[tuple[str, str]]:
    (chunk,) = source.chunks()
    found = [*chunk.problems, *(one for one in source.examples(chunk) if isinstance(one, Problem))]
    return [(one.kind, one.reason) for one in found]


def test_a_pair_becomes_a_group_and_a_tie_stays_a_tie(tmp_path: Path) -> None:
    verdict = {"instruction": "Say hello.", "response1": "Hi!", "response2": "Hello!"}
    verdicts = [dict(verdict, preference=value) for value in (0, 1, 2)]  # 2 is a tie beside 0
    (first,) = groups(JudgedSource(write(tmp_path / "pairs.jsonl", PAIR)))
    assert first.task == "pairs"
    assert [(one.text, one.label, one.origin) for one in first.candidates] == [
        (PAIR["chosen"], 1, "judged"),
        (PAIR["rejected"], 0, "judged"),
    ]
    labels = [
        [one.label for one in group.candidates]
        for group in groups(JudgedSource(write(tmp_path / "ties.jsonl", *verdicts), "x", label_from=0.4))
    ]
    assert labels == [[1, 0.4], [0.4, 1], pytest.approx([0.7, 0.7])]


def test_worths_of_another_scale_become_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "rated.jsonl", RATED)
    (found,) = groups(JudgedSource(path, worth_from=1, worth_to=9, label_to=0.8))
    assert [one.label for one in found.candidates] == pytest.approx([0.8, 0.1, 0])
    assert problems(JudgedSource(path)) == [("worth out of range", "a worth is not within 0.0 and 1.0")]


def test_a_field_a_model_has_the_strength_of_its_model(tmp_path: Path) -> None:
    row = {"instruction": SEA, "response_big": "The Black Sea.", "response_small": "The sea."}
    path = write(tmp_path / "models.jsonl", row)
    (found,) = groups(JudgedSource(path, strengths={"big": 0.9, "small": 0.2}))
    assert {one.text: one.label for one in found.candidates} == {"The Black Sea.": 0.9, "The sea.": 0.2}


def test_single_judged_answers_need_others(tmp_path: Path) -> None:
    rows = [{"question": SEA, "answer": "The Black Sea, of course.", "label": True}]
    path = write(tmp_path / "single.jsonl", *rows)
    assert problems(JudgedSource(path))[0][0] == "one answer only"
    (found,) = groups(JudgedSource(path, spoiled=2))
    assert len(found.candidates) == 3
    rows.append({"question": SEA, "answer": "The Red Sea.", "label": False})
    (found,) = groups(JudgedSource(write(path, *rows)))
    assert [one.label for one in found.candidates] == [1, 0]


def test_spoiled_answers_begin_with_that_of_the_nearest_instruction(tmp_path: Path) -> None:
    rows = [PAIR, RIVER, {"prompt": "Write a poem.", "chosen": "Roses are red.", "rejected": "No."}]
    path = write(tmp_path / "pairs.jsonl", *rows)
    found = groups(JudgedSource(path, spoiled=1))
    made = [one for one in found[0].candidates if one.origin == "spoiled:neighbour"]
    assert [(one.text, one.label) for one in made] in ([(RIVER["chosen"], 0.03)], [("Roses are red.", 0.03)])
    assert found == groups(JudgedSource(path, spoiled=1))


def test_wordings_of_one_instruction_lend_each_other_nothing() -> None:
    asked = "Tell me, please, in one or two sentences that a child can follow, why the sky looks blue at noon"
    groups = [
        Group(asked + end, (Candidate("x", 1.0, "judged"), Candidate("y", 0.0, "judged"))) for end in ("?", " now?")
    ]
    assert Neighbours(groups).of(0) == ()


def test_a_recipe_builds_judged_answers_beside_other_sources(tmp_path: Path) -> None:
    write(tmp_path / "pairs.jsonl", PAIR, RIVER, {"prompt": "", "chosen": "a", "rejected": "b"})
    write(tmp_path / "models.jsonl", {"instruction": SEA, "response_a": "Black.", "response_b": "Red."})
    write(tmp_path / "own.jsonl", *({"instruction": f"{n}?", "response": f"answer {n}"} for n in range(4)))
    sources = [
        {"judged": "pairs.jsonl", "spoiled": 2, "task": "open"},
        {"judged": "models.jsonl", "strengths": {"a": 0.9, "b": 0}},
        {"table": "own.jsonl"},
    ]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"sources": sources}))
    stores = []
    for workers in (1, 2):
        manifest = build(read_recipe(str(recipe)), tmp_path / f"store{workers}", workers)
        stores.append(list(read_groups(tmp_path / f"store{workers}")))
    assert stores[0] == stores[1]
    assert manifest["groups"] == 7
    assert manifest["problems"]["no judged answers"] == 1
    assert {group.task for group in stores[0]} == {"open", "models", "own"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label_to": 2}, "must rise and be within 0 and 1"),
        ({"worth_from": 1}, "worths must rise"),
        ({"spoiled": -1}, "whole number"),
        ({"spoiled": 0.5}, "spoiled cannot be 0.5"),
        ({"columns": {"chosen": "x"}}, "it may name instruction, source"),
        ({"strengths": {"a": "strong"}}, "strengths cannot be"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    write(tmp_path / "pairs.jsonl", PAIR)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"sources": [{"judged": "pairs.jsonl", **options}]}))
    with pytest.raises(InputError, match=words):
        read_recipe(str(recipe))
