"""Rows to training and development groups: what is held out, and that nothing of it is trained on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cappy.errors import InputError
from cappy.training.mixture import build_mixture
from cappy.training.recipes import Source, find_recipe
from tests.training.toy import RECIPE


def test_renderings_of_a_held_out_row_are_all_held_out(data: Path) -> None:
    training, development = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), data, 0)
    assert development
    assert not {g.instruction for g in training} & {g.instruction for g in development}
    again = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), data, 0)
    assert (training, development) == again


def test_no_number_of_rows_moves_a_row_across(data: Path) -> None:
    sides = []
    for rows in (80, 200, 300):
        recipe = dataclasses.replace(RECIPE, held_out=0.3, sources=(Source("toy", "toy", rows=rows),))
        parts = build_mixture(recipe, data, 0)
        sides.append([{g.instruction for g in part if g.task == "toy"} for part in parts])
    for training, _ in sides:
        for _, development in sides:
            assert len(development) > 10
            assert not training & development


def test_rows_of_one_question_are_held_out_together(data: Path, tmp_path: Path) -> None:
    for name in ("rendered.parquet", "promptsource_templates"):
        (tmp_path / name).symlink_to(data / name)
    (tmp_path / "train").mkdir()
    rows = [
        {"question": f"who is {i // 4}", "text": f"the answer {i} to {i // 4} is", "label": i % 2} for i in range(200)
    ]
    (tmp_path / "train" / "toy.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parts = build_mixture(dataclasses.replace(RECIPE, held_out=0.3), tmp_path, 0)
    asked = [{g.instruction.split(" to ")[1] for g in part if g.task == "toy"} for part in parts]
    assert len(asked[0]) + len(asked[1]) == 50
    assert asked[1]


def test_held_out_answers_are_never_lent_to_training(tmp_path: Path) -> None:
    rows = [{"template": "xsum_t", "instruction": f"title of {i} ?", "response": f"title {i}"} for i in range(400)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    parts = build_mixture(dataclasses.replace(RECIPE, sources=(), held_out=0.2), tmp_path, 0)
    right, lent = [
        [{c.text for g in part for c in g.candidates if c.label == label} for part in parts] for label in (1.0, 0.0)
    ]
    assert len(right[0]) + len(right[1]) == 400
    assert not lent[0] & right[1]
    assert lent[1] & right[0]


def test_every_task_has_held_out_rows_and_none_that_training_asks(tmp_path: Path) -> None:
    """A template without the question asks the same of many rows; those are held out for nothing."""
    rows = [{"template": f"xsum_{t}", "instruction": f"{t} {i} ?", "response": f"{i}"} for t in "ab" for i in range(60)]
    rows += [{"template": "quoref_t", "instruction": f"guess {i // 30} ?", "response": f"{i}"} for i in range(120)]
    rows += [{"template": "duorc_t", "instruction": f"say {i} ?", "response": f"{i}"} for i in range(30)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    for share in (0.01, 0.1, 0.5):
        parts = build_mixture(dataclasses.replace(RECIPE, sources=(), held_out=share), tmp_path, 0)
        assert {group.task for group in parts[1]} >= {"xsum", "duorc"}
        asked = [{(group.task, group.instruction) for group in part} for part in parts]
        assert not asked[0] & asked[1]
        numbers = [{one.split()[1] for task, one in part if task == "xsum"} for part in asked]
        assert not numbers[0] & numbers[1]


def test_a_rendered_file_without_rows_is_named(tmp_path: Path) -> None:
    rows = [{"template": "xsum_t", "instruction": "title ?", "response": "the same"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rendered.parquet")
    with pytest.raises(InputError, match="no rows"):
        build_mixture(dataclasses.replace(RECIPE, sources=()), tmp_path, 0)


def test_missing_data_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rendered"):
        build_mixture(RECIPE, tmp_path, 0)
    with pytest.raises(InputError, match="absent"):
        build_mixture(dataclasses.replace(RECIPE, sources=(Source("absent", "toy"),)), data, 0)
    with pytest.raises(InputError, match="recipe"):
        find_recipe("nothing")
