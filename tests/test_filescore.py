"""Resuming: a run that is killed at any moment goes on without losing or repeating a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cappy
from cappy import filescore
from cappy.filescore import Columns, score_file


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
    journal = tmp_path / ".out.jsonl.progress"
    with journal.open("ab") as file:
        file.write(b'{"sco')  # as a power cut leaves it
    kept = journal.read_bytes().count(b"\n") - 1
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


def test_a_journal_of_other_input_is_not_continued(scorer: cappy.Scorer, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    (tmp_path / ".out.jsonl.progress").write_text('{"source": ["other"]}\n{"score": 123.0}\n')
    finish(scorer, source, target)
    assert json.loads(target.read_text().splitlines()[0])["score"] != 123.0


def test_an_empty_file_gives_an_empty_file(scorer: cappy.Scorer, tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        (tmp_path / "empty.jsonl").write_text("")
        finish(scorer, tmp_path / "empty.jsonl", tmp_path / f"out.{ending}")
        assert (tmp_path / f"out.{ending}").exists()
