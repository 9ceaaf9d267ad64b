"""`cappy data` from a recipe to a page, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cappy.cli.app import app
from cappy.data.store import read_groups

RUNNER = CliRunner()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rows = [{"instruction": f"what comes after {i}?", "response": f"number {i + 1}"} for i in range(40)]
    lines = [json.dumps(row) for row in rows] + ["{", json.dumps({"instruction": "?", "response": " "})]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    (tmp_path / "recipe.yaml").write_text("about: sums\nsources: [{table: rows.jsonl, task: sums}]\n")
    result = RUNNER.invoke(app, ["data", "build", str(tmp_path / "recipe.yaml"), "-o", str(tmp_path / "store")])
    assert result.exit_code == 0, result.output
    assert "40 groups with 240 candidates from 42 rows" in result.stdout
    assert "1 x broken row, such as rows.jsonl:41" in result.stderr
    assert "1 x empty answer, such as rows.jsonl:42" in result.stderr
    return tmp_path / "store"


def test_show_prints_groups_for_people_and_programs(store: Path) -> None:
    shown = RUNNER.invoke(app, ["data", "show", str(store), "-n", "2"])
    assert shown.exit_code == 0
    assert "what comes after 0?" in shown.stdout
    assert " 1.00  reference  number 1" in shown.stdout
    assert shown.stdout.count(" 0.00  other") == 10
    lines = RUNNER.invoke(app, ["data", "show", str(store), "-n", "3", "--seed", "5", "--json"]).stdout.splitlines()
    drawn = [json.loads(line)["instruction"] for line in lines]
    every = [group.instruction for group in read_groups(store)]
    assert drawn == sorted(drawn, key=every.index)
    assert len(set(drawn)) == 3
    assert drawn != every[:3]


def test_report_writes_a_page(store: Path, tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "set.jsonl").write_text(json.dumps({"text": "nothing of this is in there at all"}))
    page = tmp_path / "page.html"
    result = RUNNER.invoke(app, ["data", "report", str(store), "-o", str(page), "--against", str(tmp_path / "eval")])
    assert result.exit_code == 0, result.output
    text = page.read_text()
    for words in ("sums", "broken row", "rows.jsonl:41", "None of 1 evaluation texts"):
        assert words in text


def test_what_is_not_there_is_said_in_a_sentence(store: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (["show", str(store), "--task", "none"], "no such group"),
        (["show", str(tmp_path)], "no finished store"),
        (["build", "absent.yaml", "-o", str(tmp_path / "x")], "not a readable recipe"),
        (["fetch", "everything"], "promptsource, bigbench"),
        (["bigbench", "-o", str(tmp_path / "x"), "--source", str(tmp_path)], "fetch bigbench"),
    ):
        result = RUNNER.invoke(app, ["data", *arguments])
        assert result.exit_code != 0
        assert words in str(result.exception)


def test_bigbench_writes_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "tense").mkdir()
    examples = [{"input": f"a {i}", "target": f"b {i}"} for i in range(100)]
    (tmp_path / "tense" / "task.json").write_text(json.dumps({"examples": examples}))
    result = RUNNER.invoke(app, ["data", "bigbench", "-o", str(tmp_path / "out"), "--source", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "1 of 45 tasks" in result.stdout
    assert len((tmp_path / "out" / "tense.train.jsonl").read_text().splitlines()) == 80
    first = json.loads((tmp_path / "out" / "tense.validation.jsonl").read_text().splitlines()[0])
    assert set(first) == {"task", "subtask", "instruction", "references"}
