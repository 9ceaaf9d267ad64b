"""BIG-Bench tasks: the names, the splits and the wording of BIG-Bench's own code."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from cappy.data.bigbench import GENERATIVE_TASKS, available_tasks, read_task, split_examples
from cappy.errors import InputError


def write(folder: Path, examples: list[dict[str, object]] | None, **fields: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"name": folder.name, **fields} | ({"examples": examples} if examples is not None else {})
    (folder / "task.json").write_text(json.dumps(content))


def numbered(count: int) -> list[dict[str, object]]:
    return [{"input": f" number {i} ", "target": [str(i), f"{i}.0"]} for i in range(count)]


def test_there_are_45_names() -> None:
    assert len(set(GENERATIVE_TASKS)) == 45
    assert list(GENERATIVE_TASKS) == sorted(GENERATIVE_TASKS)


def test_splits_follow_bigbench(tmp_path: Path) -> None:
    write(tmp_path / "tense", numbered(200) + numbered(3), task_prefix="Count.", example_output_prefix="\nR:")
    train, validation = (read_task(tmp_path, "tense", split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (160, 40)  # repetitions dropped
    order = list(range(200))
    random.seed(42)  # what bigbench.bbseqio.bigbench_bridge does
    random.shuffle(order)
    assert [example.references[0] for example in train + validation] == [str(i) for i in order]
    first = train[0]
    assert first.instruction == f"Count.\nQ:  number {order[0]} \nR:"
    assert first.references == (str(order[0]), f"{order[0]}.0")
    assert available_tasks(tmp_path) == ["tense"]


def test_small_tasks_hold_sixteen_out(tmp_path: Path) -> None:
    write(tmp_path / "rephrase", numbered(20))
    assert len(read_task(tmp_path, "rephrase", "validation")) == 16
    with pytest.raises(InputError, match="too few"):
        split_examples(range(16), 16, "tiny")


def test_subtasks_are_split_each_for_itself(tmp_path: Path) -> None:
    write(tmp_path / "gem", None)
    for name, count in (("b", 10), ("a", 100)):
        write(tmp_path / "gem" / name, numbered(count))
    validation = read_task(tmp_path, "gem", "validation")
    assert [example.subtask for example in validation] == ["a"] * 20 + ["b"] * 8


def test_choices_are_listed_as_bigbench_lists_them(tmp_path: Path) -> None:
    scores = {"yes": 0, "no": 1, "maybe": 0}
    write(tmp_path / "tense", [{"input": f"is it {i}?", "target_scores": scores} for i in range(30)])
    example = read_task(tmp_path, "tense", "train")[0]
    order = np.random.RandomState(seed=42).permutation(sorted(scores))
    assert example.instruction.endswith("?" + "".join(f"\n  choice: {choice}" for choice in order) + "\nA:")
    assert example.references == ("no",)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fetch bigbench"):
        read_task(tmp_path, "tense", "train")
    with pytest.raises(InputError, match="45"):
        read_task(tmp_path, "navigate", "train")
    with pytest.raises(InputError, match="split"):
        read_task(tmp_path, "tense", "test")
    (tmp_path / "tense").mkdir()
    (tmp_path / "tense" / "task.json").write_text("{")
    with pytest.raises(InputError, match="readable"):
        read_task(tmp_path, "tense", "train")
