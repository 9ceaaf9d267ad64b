"""Labelled texts from files as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cappy.data.labelled_texts import guess_instruction, has_labels, read_labelled
from cappy.errors import InputError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rows_without_a_text_or_a_label_are_left_out_and_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "id,review,stars\n1,fine,5\n2,,1\n3,bad,\n4,awful,1\n5,good, 5\n")
    found = read_labelled(path)
    assert (found.texts, found.labels) == (["fine", "awful", "good"], ["5", "1", "5"])
    assert (found.text_column, found.label_column) == ("review", "stars")
    assert found.left_out == ["r.csv:3: no text in 'review'", "r.csv:4: no label in 'stars'"]


def test_numbers_and_broken_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", '{"text": "a", "label": 1}\n{\n{"text": "b", "label": 2.0}\n')
    found = read_labelled(path)
    assert found.labels == ["1", "2"]
    assert len(found.left_out) == 1 and found.left_out[0].startswith("r.jsonl:2: ")


def test_several_labels_a_text(tmp_path: Path) -> None:
    listed = read_labelled(
        write(tmp_path / "r.jsonl", '{"text": "a", "label": ["x", "y", "x"]}\n{"text": "b", "label": []}\n')
    )
    assert (listed.lists, listed.labels, listed.different) == ([["x", "y"], []], [], ["x", "y"])
    parted = read_labelled(write(tmp_path / "r.csv", "text,label\na,x; y\nb,y;\n"), separator=";")
    assert parted.lists == [["x", "y"], ["y"]]
    assert read_labelled(write(tmp_path / "s.csv", "text,label\na,x; y\nb,y\n")).labels == ["x; y", "y"]


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        (
            "a,b\nx,y\n",
            (None, None),
            "none of the columns a, b is a usual name for texts; name the column with --text-column",
        ),
        ("text,b\nx,y\n", (None, None), "a usual name for labels"),
        ("text,label\nx,y\n", ("words", None), "no column 'words'; the file has text, label"),
        ("text,label\nx,y\nz,y\n", (None, None), "2 rows have a text and a label, and there is 1 different label"),
        ("text,label\nx,\n", (None, None), "0 rows have a text and a label, and there are 0 different labels"),
        ("", (None, None), "no rows"),
    ],
)
def test_what_is_too_little_is_said(tmp_path: Path, text: str, columns: tuple[str | None, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_labelled(write(tmp_path / "r.csv", text), *columns)


@pytest.mark.parametrize(
    ("columns", "labels", "asked"),
    [
        (("review", "sentiment"), 2, "{text}\nWhat is the sentiment of this review: {choices}?"),
        (("message", "intent"), 77, "{text}\nWhat is the intent of this message?"),
        (("body", "label"), 3, "{text}\nWhich of these describes this text best: {choices}?"),
        (("text", "ticketPriority"), 3, "{text}\nWhat is the ticket priority of this text: {choices}?"),
    ],
)
def test_instructions_are_worded_after_the_columns(columns: tuple[str, str], labels: int, asked: str) -> None:
    assert guess_instruction(*columns, [str(number) for number in range(labels)]) == asked


@pytest.mark.parametrize("column", ["topic", "topics"])
def test_of_several_labels_it_is_asked_in_the_plural(column: str) -> None:
    assert (
        guess_instruction("message", column, ["a"], True) == "{text}\nWhat are the topics of this message: {choices}?"
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text,label", True),
        ("id,review,stars", True),
        ("instruction,response,label,text", False),
        ("question,a", False),
    ],
)
def test_labelled_texts_are_told_from_questions(tmp_path: Path, header: str, expected: bool) -> None:
    path = write(tmp_path / "r.csv", header + "\n" + ",".join("x" for _ in header.split(",")) + "\n")
    assert has_labels(path) is expected
