"""Sources against what they read: names of chunks, addresses, caps, data sets of the Hugging Face library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cappy.data import sources
from cappy.data.hub import hub_rows
from cappy.data.source import Problem
from cappy.data.sources import BigBenchSource, RenderedSource, TableSource, TemplateSource
from cappy.errors import InputError
from cappy.group import Example


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_table_has_columns_of_any_name(tmp_path: Path) -> None:
    rows = [
        {"q": "which?", "a": "b", "opts": ["a", "b"], "kind": "quiz"},
        {"q": "who?", "a": ["x", " ", "y"]},
        {"q": "who?"},
        {"q": 3, "a": "x"},
        {"q": "who?", "a": "  "},
        {"q": "who?", "a": "x", "opts": "x"},
        "[1]",
        {"q": " ", "a": "x"},
        {"q": "which?", "a": "x", "opts": ["a", "b"]},
        {"q": "which?", "a": "x", "kind": 7},
    ]
    names = {"instruction": "q", "response": "a", "choices": "opts", "task": "kind"}
    source = TableSource(write(tmp_path / "t.jsonl", rows), names)
    (chunk,) = source.chunks()
    first, second, *problems = source.examples(chunk)
    assert first == Example("which?", ("b",), ("a", "b"), "quiz", "", "t.jsonl:1")
    assert second == Example("who?", ("x", "y"), None, "t", "", "t.jsonl:2")
    kinds = [(p.address, p.kind) for p in problems if isinstance(p, Problem)]
    assert kinds == [
        ("t.jsonl:3", "missing column"),
        ("t.jsonl:4", "not text"),
        ("t.jsonl:5", "empty answer"),
        ("t.jsonl:6", "not text"),
        ("t.jsonl:7", "broken row"),
        ("t.jsonl:8", "empty instruction"),
        ("t.jsonl:9", "answer is no choice"),
        ("t.jsonl:10", "not text"),
    ]


def test_rendered_rows_that_teach_nothing_are_problems(tmp_path: Path) -> None:
    rows = [
        {"template": "sciq_a", "instruction": "a?", "response": "yes"},
        {"template": "sciq_a", "instruction": "b?", "response": "Yes."},
        {"template": "sciq_b", "instruction": "", "response": "x"},
        {"template": "sciq_b", "instruction": "c?", "response": "y"},
        {"template": "sciq_b", "instruction": "d?", "response": "z"},
    ]
    source = RenderedSource(write(tmp_path / "r.jsonl", rows))
    (chunk,) = source.chunks()
    found = list(source.examples(chunk))
    assert [item.instruction for item in found if isinstance(item, Example)] == ["c?", "d?"]
    assert {(item.address, item.kind) for item in found if isinstance(item, Problem)} == {
        ("r.jsonl:1", "one answer only"),
        ("r.jsonl:2", "one answer only"),
        ("r.jsonl:3", "empty instruction"),
    }


def test_chunks_are_cut_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CHUNK_ROWS", 4)
    rows = [
        {"template": f"{task}_a", "instruction": f"{task} {i}", "response": str(i)}
        for task in ("sciq", "xsum", "sciq")
        for i in range(6)
    ]
    source = RenderedSource(write(tmp_path / "r.jsonl", [*rows, {"template": 3}]), rows=7)
    chunks = list(source.chunks())
    assert [chunk.name for chunk in chunks] == [f"r.jsonl-{number:05d}" for number in range(6)]
    assert [len(chunk.rows) for chunk in chunks] == [4, 2, 4, 2, 1, 1]  # the cap leaves one row of the second sciq
    assert chunks == list(source.chunks())


def test_templates_render_data_sets_of_the_hugging_face_library(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "sets" / "film").mkdir(parents=True)
    write(tmp_path / "sets" / "film" / "train.jsonl", [{"text": f"film {i}", "label": i % 2} for i in range(30)])
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "templates.yaml").write_text(
        """
templates:
  1: !Template
    answer_choices: bad ||| good
    jinja: '{{text}}? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: plain
  2: !Template
    answer_choices: null
    jinja: '{{missing}} ||| {{text}}'
    metadata: !TemplateMetadata {original_task: false}
    name: broken
"""
    )
    source = TemplateSource(str(tmp_path / "sets" / "film"), tmp_path / "templates", most=40)
    (chunk,) = source.chunks()
    found = list(source.examples(chunk))
    examples = [item for item in found if isinstance(item, Example)]
    problems = [item for item in found if isinstance(item, Problem)]
    assert (len(examples), len(problems)) == (20, 20)  # 40 renderings are 20 rows under two templates
    assert examples[3].instruction == "film 3?"
    assert examples[3].references == ("good",)
    assert examples[3].address.endswith("film:train:3")
    assert {problem.kind for problem in problems} == {"template 'broken' does not fit"}
    only = TemplateSource(str(tmp_path / "sets" / "film"), tmp_path / "templates", original=True)
    assert len(list(only.examples(next(only.chunks())))) == 30
    with pytest.raises(InputError, match="cannot be read"):
        next(hub_rows(str(tmp_path / "sets" / "film"), "nosuchsplit"))


def test_bigbench_tasks_become_examples(tmp_path: Path) -> None:
    (tmp_path / "tense").mkdir()
    examples = [{"input": f"a {i}", "target": [f"b {i}", ""] if i else [""]} for i in range(40)]
    (tmp_path / "tense" / "task.json").write_text(json.dumps({"examples": examples}))
    found: list[Example | Problem] = []
    for split in ("train", "validation"):
        source = BigBenchSource(tmp_path, ("tense",), split)
        for chunk in source.chunks():
            found += source.examples(chunk)
    assert sum(isinstance(item, Problem) for item in found) == 1
    made = [item for item in found if isinstance(item, Example)]
    assert len(made) == 39
    assert {len(item.references) for item in made} == {1}
    assert {item.task for item in made} == {"tense"}
