from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

import cappy
from cappy.cli.app import app
from cappy.data.store import write_groups
from cappy.errors import InputError
from cappy.evaluation.labelled.agreement import accuracy, kendall
from cappy.evaluation.labelled.precision import compare
from cappy.group import Candidate, Group

GROUPS = [
    Group(f"what is {i} ?", (Candidate("yes", float(i % 2)), Candidate("no it is", float(1 - i % 2))))
    for i in range(12)
]


def test_a_scorer_agrees_with_itself(shared_bert: Path) -> None:
    scorer = cappy.load(shared_bert)
    result = compare(scorer, scorer, GROUPS)
    assert (result.top1_agreement, result.kendall, result.groups) == (1.0, 1.0, 12)
    assert result.largest_difference < 1e-6
    assert result.exact_accuracy == result.rounded_accuracy


def test_another_layout_differs(shared_bert: Path) -> None:
    result = compare(cappy.load(shared_bert), cappy.load(shared_bert, layout="joint"), GROUPS)
    assert result.largest_difference > 0.01


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=8))
def test_kendall_counts_pairs(values: list[tuple[int, int]]) -> None:
    total = 0
    for place, (a, b) in enumerate(values):
        for c, d in values[place + 1 :]:
            agreement = (a - c) * (b - d)
            total += (agreement > 0) - (agreement < 0)
    pairs = len(values) * (len(values) - 1) / 2
    assert kendall(*zip(*values, strict=True)) == pytest.approx(total / pairs)


def test_accuracy_by_hand() -> None:
    groups = [
        Group("q", (Candidate("a", 1.0), Candidate("b", 0.0))),
        Group("q", (Candidate("a", 0.0), Candidate("b", 1.0))),
    ]
    assert accuracy(groups, [[0.9, 0.1], [0.9, 0.1]]) == 0.5


def test_commands_write_what_they_print(shared_bert: Path, tmp_path: Path) -> None:
    write_groups(tmp_path / "groups.jsonl", GROUPS, {})
    arguments = [
        "eval",
        "precision",
        str(tmp_path / "groups.jsonl"),
        "-m",
        str(shared_bert),
        "-o",
        str(tmp_path / "out.json"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out.json").read_text())["groups"] == 12
    assert "kendall" in result.output
    result = CliRunner().invoke(app, [*arguments, "--rows", "5", "--seed", "1"])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out.json").read_text())["groups"] == 5


def test_commands_on_labelled_groups_state_shared_options_alike() -> None:
    commands = get_command(app).commands["eval"].commands
    measuring = [commands[name] for name in ("precision", "blind", "calibration", "layouts")]
    for name in ("groups", "rows", "seed", "output"):
        stated = {one.help for command in measuring for one in command.params if one.name == name}
        assert len(stated) == 1, stated


@pytest.mark.parametrize("command", ["precision", "blind", "calibration", "layouts"])
def test_groups_without_labels_are_refused(command: str, tmp_path: Path) -> None:
    write_groups(tmp_path / "unlabelled.jsonl", [Group.of("q", ["a", "b"])], {})
    result = CliRunner().invoke(app, ["eval", command, str(tmp_path / "unlabelled.jsonl")])
    assert isinstance(result.exception, InputError)
    assert "has a label" in str(result.exception)


def test_of_a_mixed_file_only_labelled_groups_are_drawn(tmp_path: Path) -> None:
    unlabelled = [Group.of(f"q {number}", ["a", "b"]) for number in range(9)]
    write_groups(tmp_path / "mixed.jsonl", [*unlabelled, *GROUPS[:2]], {})
    result = CliRunner().invoke(app, ["eval", "blind", str(tmp_path / "mixed.jsonl"), "--rows", "2"])
    assert result.exit_code == 0, result.output
    assert "9 groups without a label are left out" in result.output
    assert re.search(r"chance\s+0\.5", result.output)
