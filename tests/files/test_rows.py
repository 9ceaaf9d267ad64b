from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from typer.testing import CliRunner

from cappy.cli.app import app
from cappy.data.contamination import EvaluationTexts, overlaps
from cappy.data.store import read_groups, write_groups
from cappy.errors import InputError
from cappy.files.rows import BadRow, read_rows, scan_rows
from cappy.group import Candidate, Group

ROWS = [{"a": "1", "b": 'zwei, "drei"'}, {"a": "é", "b": ""}]


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    text = "".join(json.dumps(row) + "\n\n" for row in ROWS).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + text)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(text))
    (tmp_path / "d.csv").write_text('a,b\n1,"zwei, ""drei"""\né,\n', encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "e.parquet")
    for path in sorted(tmp_path.iterdir()):
        assert list(read_rows(path)) == ROWS, path


def test_broken_lines_are_numbered_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": \n[1]\n"\xff"\n' + b"[" * 100_000 + b'\n{"a": 2}\n')
    rows = list(scan_rows(path))
    assert [row for _, row in rows if not isinstance(row, BadRow)] == [{"a": 1}, {"a": 2}]
    assert [row.number for _, row in rows if isinstance(row, BadRow)] == [2, 3, 4, 5]
    with pytest.raises(InputError, match="line 2"):
        list(read_rows(path))


def test_broken_csv_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n3\n4,5,6\n\xff,7\n" + b"8," + b"x" * 600_000 + b"\n")
    kinds = [isinstance(row, BadRow) for _, row in scan_rows(path)]
    assert kinds == [False, True, True, True, False]


def test_an_unclosed_quote_is_reported_and_no_row_vanishes_in_silence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('a,b\n1,2\n3,"4\n5,6\n')
    assert any(isinstance(row, BadRow) for _, row in scan_rows(tmp_path / "x.csv"))
    (tmp_path / "y.csv").write_text("a,a\n1,2\n")
    with pytest.raises(InputError, match=r"y\.csv .*twice"):
        list(scan_rows(tmp_path / "y.csv"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_heading_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "x.csv").write_bytes("question,réponse\na,b\n".encode(encoding))
    with pytest.raises(InputError, match=r"x\.csv .*save the file as UTF-8"):
        list(scan_rows(tmp_path / "x.csv"))


@pytest.mark.parametrize("name", ["missing.jsonl", "no.parquet", "cut.jsonl.gz", "bad.jsonl.gz", "bad.jsonl.zst"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    if name == "no.parquet":
        (tmp_path / name).write_text("not parquet")
    if name.startswith("bad"):
        whole = gzip.compress(b'{"a": 1}\n' * 1000) if name.endswith("gz") else zstandard.compress(b'{"a": 1}\n' * 1000)
        (tmp_path / name).write_bytes(whole[:12] + b"\xff" * 9 + whole[21:])
    if name.startswith("cut"):
        (tmp_path / name).write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    with pytest.raises(InputError, match=name):
        list(read_rows(tmp_path / name))


@pytest.mark.parametrize("name", ["g.parquet", "g.jsonl"])
def test_groups_survive_the_store(tmp_path: Path, name: str) -> None:
    candidates = (Candidate("yes", 1.0, "reference"), Candidate("no", 0.0), Candidate("maybe", None, "sample:greedy"))
    stored = [Group("is it?", candidates, "task", "template"), Group("", (Candidate("é\u2028"),))]
    write_groups(tmp_path / name, stored, {"name": "test"})
    assert list(read_groups(tmp_path / name)) == stored
    manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text())
    assert manifest["groups"] == 2
    assert manifest["candidates"] == {"choice": 2, "reference": 1, "sample:greedy": 1}


def test_rows_that_are_no_groups(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"instruction": "x"}\n')
    with pytest.raises(InputError, match="row 1"):
        list(read_groups(tmp_path / "g.jsonl"))


def test_the_command_says_what_it_found_and_fails(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    sentence = json.dumps({"sentence": "the film number 1 was truly very good indeed", "label": 1})
    (tmp_path / "data" / "sst2_test.jsonl").write_text(sentence)
    copied, other = "Review: the film number 1 was truly very good indeed!", "Review: quite another film"
    for text, code, said in ((copied, 1, "1 found"), (other, 0, "0 found")):
        write_groups(tmp_path / "groups.jsonl", [Group.of(text, ["a", "b"])], {})
        arguments = ["data", "contamination", str(tmp_path / "groups.jsonl"), "--against", str(tmp_path / "data")]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code
        assert said in result.output


def test_contamination_is_found_inside_longer_texts_whatever_the_spelling() -> None:
    row = {"text": "The movie, was WONDERFUL: from start to finish!", "label": 1, "short": "yes it is"}
    texts = EvaluationTexts([("eval.jsonl", row)])
    assert texts.count == 1
    clean = Group.of("the movie was wonderful from start to end yes it is", ["no"])
    dirty = Group.of("Review: the movie was wonderful - from start to finish. Good?", ["no"], task="t")
    hidden = Group.of("say it", ["He said the movie was wonderful from start to finish."], task="u")
    assert [found.task for found in overlaps([clean, dirty, hidden], texts)] == ["t", "u"]
