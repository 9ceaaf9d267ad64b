"""Families as config.json tells them, and buckets of relative positions against transformers' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.encoders.registry import encoder_spec
from cappy.encoders.relative import buckets_between, relative_buckets
from tests.conftest import edit_config


def test_buckets_equal_those_of_transformers() -> None:
    relative = np.arange(-600, 601)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(relative), num_buckets=32)
    np.testing.assert_array_equal(relative_buckets(relative, 32), expected.numpy())


def test_buckets_between_rows_are_of_key_minus_query() -> None:
    queries, keys = np.array([[5, 9], [2, 3]]), np.array([[2, 7, 200], [3, 4, 5]])
    found = buckets_between(queries, keys, 32)
    assert found.shape == (2, 2, 3)
    for row, query, key in np.ndindex(2, 2, 3):
        assert found[row, query, key] == relative_buckets(np.array([keys[row, key] - queries[row, query]]), 32)[0]


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "electra"])
def test_a_spec_names_every_weight_that_transformers_saves(request: pytest.FixtureRequest, family: str) -> None:
    folder: Path = request.getfixturevalue(family)
    with safe_open(folder / "model.safetensors", "np") as saved:
        shapes = {name: tuple(saved.get_slice(name).get_shape()) for name in saved.keys()}  # noqa: SIM118
    assert read_checkpoint(folder).spec.shapes() == shapes


@pytest.mark.parametrize("kind", ["deberta-v2", "t5", "llama", None])
def test_other_families_are_refused_with_those_that_run(kind: str | None) -> None:
    with pytest.raises(cappy.CheckpointError, match="not supported; Cappy runs bert, camembert, electra, mpnet"):
        encoder_spec({"model_type": kind}, "here")


def test_a_config_without_sizes_is_refused(mpnet: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((mpnet / "config.json").read_text())
    edit_config(tmp_path, num_attention_heads=5)
    with pytest.raises(cappy.CheckpointError, match="sizes that no encoder can have"):
        read_checkpoint(tmp_path)
