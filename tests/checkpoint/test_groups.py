"""Weights in 8-bit groups: how exact they are, what is refused, and that they come out as an ordinary folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.groups import GROUP, GROUPS_FILE, dequantise_groups, quantise_groups, read_groups, to_groups
from cappy.checkpoint.save import save_checkpoint
from cappy.cli.app import app

PAIR = ("what is the capital of france ?", ["paris", "the river"])


@given(arrays(np.float32, (3, 2 * GROUP), elements=st.floats(-4, 4, width=16)))
def test_a_weight_comes_back_within_half_a_step_of_its_group(weight: np.ndarray) -> None:
    steps, scales = quantise_groups(weight)
    assert steps.shape == weight.shape and scales.shape == (3, 2)
    largest = np.abs(weight.reshape(3, 2, GROUP)).max(-1).repeat(GROUP, axis=1)
    # half a step, and what float16 leaves of the scale
    assert (np.abs(dequantise_groups(steps, scales) - weight) <= 0.55 * largest / 127 + 1e-3 * largest + 2e-5).all()


def test_each_weight_is_its_integers_times_the_scale_of_64_columns() -> None:
    steps = np.arange(-64, 64, dtype=np.int8).reshape(1, 128)
    scales = np.array([[0.5, 2]], dtype=np.float16)
    expected = [value * (0.5 if column < 64 else 2) for column, value in enumerate(steps[0])]
    assert dequantise_groups(steps, scales).tolist() == [expected]


def test_a_checkpoint_in_groups_scores_nearly_the_same_and_exports(mpnet: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(mpnet)
    weights = {name: np.tile(a, (1, 1)) if a.ndim == 2 else a for name, a in checkpoint.read_weights().items()}
    save_checkpoint(tmp_path / "q8", checkpoint.config, weights, mpnet, "# card\n", dtype="q8")
    assert not (tmp_path / "q8" / "model.safetensors").exists()
    assert any(key.startswith("q:") for key in load_file(tmp_path / "q8" / GROUPS_FILE))
    exact, rounded = (cappy.load(folder, precision="fp32").score(*PAIR) for folder in (mpnet, tmp_path / "q8"))
    assert 0 < np.abs(exact - rounded).max() < 0.1
    result = CliRunner().invoke(app, ["export", str(tmp_path / "q8"), "-o", str(tmp_path / "out"), "--dtype", "fp32"])
    assert result.exit_code == 0, result.output
    assert cappy.load(tmp_path / "out", precision="fp32").score(*PAIR) == pytest.approx(rounded, abs=1e-6)


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    stored = to_groups({"a": np.ones((2, GROUP), dtype=np.float32)})
    for broken in ({**stored, "odd": stored["q:a"]}, {"q:a": stored["q:a"]}, {**stored, "s:a": stored["s:a"][:1]}):
        save_file(broken, tmp_path / GROUPS_FILE)
        with pytest.raises(cappy.CheckpointError, match="do not match"):
            read_groups(tmp_path / GROUPS_FILE)


def test_an_export_never_overwrites(mpnet: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(mpnet), "-o", str(tmp_path)])
    assert result.exit_code != 0 and "exists" in str(result.exception)


def test_weights_that_no_encoder_wants_are_left_out(bert: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(bert)
    stored = to_groups({**checkpoint.read_weights(), "position_ids": np.zeros((1, 4), dtype=np.float32)})
    save_file(stored, tmp_path / GROUPS_FILE)
    (tmp_path / "config.json").write_text((bert / "config.json").read_text())
    assert set(read_checkpoint(tmp_path).read_weights()) == set(checkpoint.spec.shapes())
