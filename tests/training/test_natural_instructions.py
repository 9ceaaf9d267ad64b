"""super_natural_instructions: wordings, labels, closed sets, samples, and tasks that are kept out whole."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from cappy.group import Group
from cappy.metrics.references import rouge_l
from cappy.training.natural_instructions import WORDINGS, instruction_groups, kept_out_tasks
from cappy.training.recipes import NaturalInstructions

PLAN = NaturalInstructions(kept_out=2, renderings=1, suggested=0.0, left_out=("samsum",))


def rows(task: str, outputs: Any = None, count: int = 50) -> list[dict[str, Any]]:
    words = "the river runs past a mill and old houses while children play near its banks every summer day".split()
    draw = random.Random(task)
    return [
        {
            "task": task,
            "definition": f"Do what {task} says.",
            "input": f"input {i} of {task}",
            "outputs": [" ".join(draw.sample(words, 8)) for _ in range(5)]
            if outputs is None
            else [outputs[i % len(outputs)]],
        }
        for i in range(count)
    ]


def made(tasks: list[list[dict[str, Any]]], plan: NaturalInstructions = PLAN, **more: Any) -> list[tuple[bool, Group]]:
    return list(instruction_groups([row for task in tasks for row in task], more.get("samples", {}), plan, 0))


def test_whole_tasks_are_kept_out_and_others_left_out() -> None:
    tasks = [rows(f"task{i}") for i in range(6)] + [rows("task1572_samsum_summary")]
    found = made(tasks)
    sides = {held: {group.template for mine, group in found if mine == held} for held in (True, False)}
    assert sides[True] == kept_out_tasks((f"task{i}" for i in range(6)), 2)
    assert sides[True] | sides[False] == {f"task{i}" for i in range(6)}
    assert not sides[True] & sides[False]
    assert found == made(list(reversed(tasks)))
    assert len(kept_out_tasks(["one"], 18)) == 0  # something is left to train on


def test_few_development_rows_and_every_rendering_of_training_rows() -> None:
    plan = dataclasses.replace(PLAN, kept_out=1, development_rows=7, renderings=2)
    found = made([rows("a"), rows("b")], plan)
    assert sum(held for held, _ in found) == 7
    assert sum(not held for held, _ in found) == 100
    instructions = {group.instruction for held, group in found if not held}
    assert len(instructions) > 70  # most rows are asked in two wordings


def test_answers_to_other_inputs_are_labelled_by_their_likeness() -> None:
    task = rows("a")
    by_input = {row["input"]: row["outputs"] for row in task}
    for _, group in made([task]):
        references = next(
            outputs
            for text, outputs in by_input.items()
            if f"{text}" in group.instruction.splitlines()
            or f"{text}" in group.instruction.replace("Input: ", "").replace("Text: ", "").splitlines()
        )
        right = [one for one in group.candidates if one.label == 1.0]
        others = [one for one in group.candidates if one.origin == "other"]
        assert len(right) == 2 and {one.text for one in right} <= set(references)
        assert len(others) == 7
        assert all(one.label == pytest.approx(0.8 * rouge_l(one.text, references)) for one in others)


def test_few_answers_are_all_choices() -> None:
    for _, group in made([rows("a", ["yes", "no", "maybe"])]):
        assert sorted(one.text for one in group.candidates) == ["maybe", "no", "yes"]
        assert sorted(one.label or 0.0 for one in group.candidates) == [0.0, 0.0, 1.0]


def test_samples_stand_in_the_group_of_their_row() -> None:
    task = rows("a", count=10)
    prompt = WORDINGS[0].format_map(task[3])
    wanted = task[3]["outputs"]
    samples = {prompt: {"greedy": wanted[0].upper(), "temperature_1": "the river runs"}}
    found = [group for _, group in made([task], samples=samples) if any(one.sampled for one in group.candidates)]
    assert len(found) == 1
    assert "input 3 of a" in found[0].instruction
    labels = {one.text.lower(): one.label for one in found[0].candidates}
    assert labels[wanted[0]] == 1.0
    assert labels["the river runs"] == pytest.approx(rouge_l("the river runs", wanted))


def test_suggested_answers_come_from_the_input_and_not_from_the_definition() -> None:
    definition = (
        "Name the town that Otto Braun of Hamburg went to in 1903, as the longest paragraph here tells you. " * 3
    )
    task = [
        {
            "task": "a",
            "definition": definition,
            "input": f"Maria Lang went from Paris to Vienna in 18{i}.",
            "outputs": [town],
        }
        for i, town in zip(range(10, 60), ["Paris", "Vienna"] * 25, strict=True)
    ]
    plan = dataclasses.replace(PLAN, suggested=1.0)
    texts = {one.text for _, group in made([task], plan) for one in group.candidates if one.origin == "suggested"}
    assert "Maria Lang" in texts
    assert not any(name in text for text in texts for name in ("Otto", "Hamburg", "1903"))
