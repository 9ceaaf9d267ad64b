"""The instruction-blind ablation, by hand and for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cappy
from cappy.cli.app import app
from cappy.data.store import write_groups
from cappy.evaluation.labelled.agreement import group_hits
from cappy.evaluation.labelled.blind import blindness
from cappy.group import Candidate, Group

REVIEWS = ("a wonderful, moving film", "a dull and tiresome mess", "the best I saw this year", "a waste of two hours")
GROUPS = [
    Group(
        f"Review: {text}\nIs this review positive or negative?",
        (Candidate("positive", float(number % 2 == 0)), Candidate("negative", float(number % 2 == 1))),
    )
    for number, text in enumerate(REVIEWS)
]


def test_without_instructions_the_same_choices_get_the_same_answer() -> None:
    scorer = cappy.load("mini")
    assert group_hits(GROUPS, [one.scores for one in scorer.score_groups(GROUPS)]).tolist() == [1, 1, 1, 1]
    found = blindness(scorer, GROUPS * 5)
    assert (found.groups, found.accuracy, found.chance) == (20, 1.0, 0.5)
    assert found.blind_accuracy == 0.5  # the same two choices each time: one label is always right
    assert found.difference == pytest.approx(0.5)
    assert 0.2 < found.difference_low < 0.5 < found.difference_high < 0.8


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    write_groups(tmp_path / "groups.jsonl", GROUPS, {})
    target = tmp_path / "out.json"
    result = CliRunner().invoke(
        app, ["eval", "blind", str(tmp_path / "groups.jsonl"), "--rows", "3", "-o", str(target)]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(target.read_text())["groups"] == 3
    assert "blind_accuracy" in result.output
    (tmp_path / "none.jsonl").write_text("")
    result = CliRunner().invoke(app, ["eval", "blind", str(tmp_path / "none.jsonl")])
    assert "holds no groups" in str(result.exception or result.output)
