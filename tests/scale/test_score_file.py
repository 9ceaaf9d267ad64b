"""Resuming: a run that is killed at any moment goes on without losing or repeating a row."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import cappy
from cappy.errors import InputError
from cappy.files.rows import read_rows
from cappy.scale import score_file as filescore
from cappy.scale.score_file import Columns, score_file


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = [{"instruction": f"what is {i} ?", "response": "yes" if i % 2 else "no"} for i in range(40)]
    lines = [json.dumps(row) for row in rows]
    lines[11] = "broken"
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    return tmp_path / "in.jsonl"


def finish(scorer: cappy.Scorer, source: Path, target: Path) -> list[int]:
    bad: list[int] = []
    score_file(scorer, source, target, Columns(), lambda number, _: bad.append(number), lambda _: None)
    return bad


class KilledError(Exception):
    pass


@pytest.mark.parametrize("die_after", [0, 1, 3])
def test_an_interrupted_run_goes_on_and_ends_the_same(
    scorer: cappy.Scorer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_after: int
) -> None:
    monkeypatch.setattr(filescore, "CHUNK", 8)
    finish(scorer, source, tmp_path / "whole.jsonl")
    target = tmp_path / "out.jsonl"
    calls = 0

    def die(done: int) -> None:
        nonlocal calls
        calls += done > 0
        if calls > die_after:
            raise KilledError

    with pytest.raises(KilledError):
        score_file(scorer, source, target, Columns(), lambda *_: None, die)
    assert not target.exists()
    (journal,) = tmp_path.glob(".out.jsonl.*.progress")
    kept = journal.read_bytes().count(b"\n")
    with journal.open("ab") as file:
        file.write(b'{"sco')  # as a power cut leaves it
    assert kept == 8 * (die_after + 1)
    scored = []
    original = cappy.Scorer.score_groups
    monkeypatch.setattr(
        cappy.Scorer, "score_groups", lambda self, groups, **k: (scored.extend(groups), original(self, groups, **k))[1]
    )
    assert finish(scorer, source, target) == [12]
    assert len(scored) == 40 - kept - (1 if kept <= 11 else 0)  # nothing is scored twice
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize("change", [{"precision": "int8"}, {"max_tokens": 60}, {"layout": "joint"}])
def test_work_of_another_scorer_is_not_continued_and_goes_when_the_target_is_written(
    shared_bert: Path, source: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    target = tmp_path / "out.jsonl"

    def die(done: int) -> None:
        if done:
            raise KilledError

    with pytest.raises(KilledError):
        score_file(cappy.load(shared_bert), source, target, Columns(), lambda *_: None, die)
    (kept,) = tmp_path.glob(".out.jsonl.*.progress")
    theirs = tmp_path / ".out.jsonl.notes.progress"
    theirs.write_text("no journal of Cappy's")
    other = cappy.load(shared_bert, **change)  # type: ignore[arg-type]
    finish(other, source, tmp_path / "whole.jsonl")
    assert kept.exists()
    finish(other, source, target)
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not kept.exists() and theirs.exists()


def test_two_runs_on_one_output_do_not_mix(scorer: cappy.Scorer, source: Path, tmp_path: Path) -> None:
    def meanwhile(done: int) -> None:
        with pytest.raises(InputError, match="another run"):
            finish(scorer, source, tmp_path / "out.jsonl")

    score_file(scorer, source, tmp_path / "out.jsonl", Columns(), lambda *_: None, meanwhile)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 39


def test_a_row_without_a_finite_score_is_the_only_one_lost(
    scorer: cappy.Scorer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = cappy.Scorer._score_window

    def failing(self: cappy.Scorer, window: list[tuple[str, list[str]]], first: int | None) -> object:
        if any("what is 5 ?" in instruction for instruction, _ in window):
            raise InputError("group 0, candidate 0: the checkpoint gives no finite score for it.")
        return original(self, window, first)

    monkeypatch.setattr(cappy.Scorer, "_score_window", failing)
    assert finish(scorer, source, tmp_path / "out.jsonl") == [6, 12]


MIXED = [
    {"instruction": "what ?", "response": "yes", "id": 1},
    {"instruction": "what ?", "response": "no", "id": "two", "late": {"a": []}, "score": "old", "scores": [9]},
    {"instruction": "lone \ud800", "responses": ["yes", "no"], "big": 10**30, "nothing": None},
]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_rows_of_any_shape_keep_every_column(scorer: cappy.Scorer, tmp_path: Path, ending: str) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, MIXED)))
    assert finish(scorer, tmp_path / "in.jsonl", tmp_path / f"out.{ending}") == []
    rows = list(read_rows(tmp_path / f"out.{ending}"))
    assert len(rows) == 3
    names = {name for row in rows for name in row}
    assert names == {
        "instruction",
        "response",
        "responses",
        "id",
        "late",
        "big",
        "nothing",
        "score",
        "scores",
        "tokens_cut",
    }
    assert "old" not in str(rows)
    assert "two" in str(rows[1]["id"])
    assert str(10**30) in str(rows[2]["big"])


@pytest.mark.parametrize("name", ["out.jsonl.gz", "folder", "missing/out.jsonl"])
def test_outputs_that_cannot_be_written_are_refused_first(
    scorer: cappy.Scorer, source: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        finish(scorer, source, tmp_path / name)
    assert not list(tmp_path.glob(".*progress"))


def test_an_output_that_is_no_file_is_never_replaced(scorer: cappy.Scorer, source: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    with pytest.raises(InputError, match="not a regular file"):
        finish(scorer, source, tmp_path / "pipe.jsonl")
    finish(scorer, source, tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").exists()


def test_wrong_columns_are_named(scorer: cappy.Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("question;answer\na;b\n")
    with pytest.raises(InputError, match="question;answer"):
        finish(scorer, tmp_path / "in.csv", tmp_path / "out.csv")


def test_an_empty_file_gives_an_empty_file(scorer: cappy.Scorer, tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        (tmp_path / "empty.jsonl").write_text("")
        finish(scorer, tmp_path / "empty.jsonl", tmp_path / f"out.{ending}")
        assert (tmp_path / f"out.{ending}").exists()
