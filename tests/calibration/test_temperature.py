"""The temperature of probabilities: fitted as a general optimiser fits it, noted, and used wherever there are any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cappy
from cappy.calibration.temperature import TEMPERATURE, fit_temperature, softmax
from cappy.checkpoint.save import damaged_files, note_setting
from cappy.classifier import Classifier
from cappy.cli.app import app
from cappy.data.store import write_groups
from cappy.errors import CheckpointError, InputError
from cappy.evaluation.labelled.calibration import calibrate
from cappy.group import Candidate, Group


def drawn(seed: int, temperature: float, groups: int = 4000) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return scores of groups of 2 to 6 choices, and labels drawn by the probabilities of that temperature."""
    random = np.random.default_rng(seed)
    scores = [random.normal(0.4, 0.25, random.integers(2, 7)) for _ in range(groups)]
    labels = [np.eye(len(one))[random.choice(len(one), p=softmax(one[None] / temperature)[0])] for one in scores]
    return scores, labels


@pytest.mark.parametrize("temperature", [0.05, 0.15, 0.6])
def test_the_temperature_that_drew_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(0, temperature)) == pytest.approx(temperature, rel=0.1)


def test_the_loss_is_least_at_what_is_fitted() -> None:
    from scipy.optimize import minimize_scalar

    scores, labels = drawn(1, 0.2, 300)
    two = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])  # several right choices weigh the same
    labels[:40] = [two[: len(one)] if len(one) > 2 else one for one in labels[:40]]

    def loss(temperature: float) -> float:
        parts = []
        for values, label in zip(scores, labels, strict=True):
            shares = softmax(values[None] / temperature)[0]
            parts.append(-np.log(shares[label > 0.5]).mean())
        return float(np.mean(parts))

    best = minimize_scalar(loss, bounds=(0.01, 2), method="bounded").x
    assert fit_temperature(scores, labels) == pytest.approx(best, rel=1e-3)


def test_groups_that_tell_nothing_are_passed_over() -> None:
    scores, labels = drawn(2, 0.2, 200)
    more = fit_temperature([*scores, np.array([0.1, 0.9]), np.array([0.3])], [*labels, np.zeros(2), np.ones(1)])
    assert more == pytest.approx(fit_temperature(scores, labels))
    with pytest.raises(InputError, match="no temperature can be fitted"):
        fit_temperature([np.array([0.1, 0.2])], [np.ones(2)])


GROUPS = [
    Group(
        f"the film {i} is {word} . good or bad ?",
        (Candidate("good", float(i % 3 == 0)), Candidate("bad", float(i % 3 > 0))),
    )
    for i, word in enumerate(["great", "dull", "awful"] * 20)
]


def test_calibration_mends_what_a_wrong_temperature_spoils(tmp_path: Path) -> None:
    folder = tmp_path / "scorer"
    shutil.copytree(cappy.load("mini").checkpoint.folder, folder)
    note_setting(folder, "temperature", 5.0)
    assert not damaged_files(folder)
    write_groups(tmp_path / "groups.jsonl", GROUPS, {})
    result = CliRunner().invoke(
        app,
        [
            "eval",
            "calibration",
            str(tmp_path / "groups.jsonl"),
            "-m",
            str(folder),
            "--write",
            "-o",
            str(tmp_path / "o.json"),
        ],
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "o.json").read_text())
    assert (found["before"], found["fitted_on"], found["groups"]) == (5.0, 30, 30)
    assert found["error"] < found["error_before"]
    assert found["brier"] < found["brier_before"]
    scorer = cappy.load(folder)
    assert scorer.temperature == pytest.approx(found["temperature"], abs=1e-4)
    assert not damaged_files(folder)
    classifier = Classifier(["good", "bad"], "{text} good or bad ?", scorer=scorer)
    scores = scorer.score("great good or bad ?", ["bad", "good"])  # scikit-learn sorts classes
    expected = softmax(np.array([scores], dtype=np.float64) / scorer.temperature)
    np.testing.assert_allclose(classifier.predict_proba(["great"]), expected, rtol=1e-5)


def test_calibration_refuses_what_it_cannot_use(tmp_path: Path, bert: Path) -> None:
    with pytest.raises(InputError, match="two groups"):
        calibrate(cappy.load(bert), [Group.of("q", ["a", "b"])])
    write_groups(tmp_path / "groups.jsonl", GROUPS, {})
    result = CliRunner().invoke(app, ["eval", "calibration", str(tmp_path / "groups.jsonl"), "--write"])
    assert "needs a local checkpoint folder" in str(result.exception or result.output)


@pytest.mark.parametrize("noted", [0, -1, "warm", True, float("inf")])
def test_a_temperature_that_is_none_is_refused(bert: Path, tmp_path: Path, noted: object) -> None:
    folder = tmp_path / "scorer"
    shutil.copytree(bert, folder)
    assert cappy.load(folder).temperature == TEMPERATURE
    note_setting(folder, "temperature", noted)
    with pytest.raises(CheckpointError, match="temperature"):
        cappy.load(folder)
