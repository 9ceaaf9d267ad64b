"""Families as config.json tells them, and buckets of relative positions against transformers' own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.encoders.places import buckets_between, relative_buckets
from cappy.encoders.registry import encoder_spec
from cappy.layout.pack import Packed
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
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


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "electra", "modernbert"])
def test_a_spec_names_every_weight_that_transformers_saves(request: pytest.FixtureRequest, family: str) -> None:
    folder: Path = request.getfixturevalue(family)
    with safe_open(folder / "model.safetensors", "np") as saved:
        shapes = {name: tuple(saved.get_slice(name).get_shape()) for name in saved.keys()}  # noqa: SIM118
    assert read_checkpoint(folder).spec.shapes() == shapes


@pytest.mark.parametrize("kind", ["deberta-v2", "t5", "llama", None])
def test_other_families_are_refused_with_those_that_run(kind: str | None) -> None:
    with pytest.raises(
        cappy.CheckpointError, match="not supported; Cappy runs bert, camembert, electra, modernbert, mpnet"
    ):
        encoder_spec({"model_type": kind}, "here")


def test_a_config_without_sizes_is_refused(mpnet: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((mpnet / "config.json").read_text())
    edit_config(tmp_path, num_attention_heads=5)
    with pytest.raises(cappy.CheckpointError, match=r"sizes in config\.json are impossible"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("change", [{"classifier_pooling": "mean"}, {"mlp_bias": True}, {"hidden_activation": "silu"}])
def test_variants_of_modernbert_that_do_not_run_are_refused(
    modernbert: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    (tmp_path / "config.json").write_text((modernbert / "config.json").read_text())
    edit_config(tmp_path, **change)
    with pytest.raises(cappy.CheckpointError, match=r"cls|no biases|'gelu'"):
        read_checkpoint(tmp_path)


def test_training_starts_from_an_encoder_that_pools_by_the_mean(modernbert: Path, tmp_path: Path) -> None:
    shutil.copytree(modernbert, tmp_path, dirs_exist_ok=True)
    edit_config(tmp_path, classifier_pooling="mean")
    weights = load_file(tmp_path / "model.safetensors")
    save_file({name: array for name, array in weights.items() if "head" not in name}, tmp_path / "model.safetensors")
    config, _, started = starting_weights(tmp_path, seed=0)
    assert config["classifier_pooling"] == "cls"
    assert started["head.norm.weight"].eq(1).all()
    assert started["head.dense.weight"].std() > 0


def test_modernbert_embeds_as_transformers_does(modernbert: Path) -> None:
    model = transformers.AutoModel.from_pretrained(modernbert).eval()
    _, spec, weights = starting_weights(modernbert, seed=0)
    ids = np.arange(4, 24, dtype=np.int64)
    packed = Packed(ids, np.arange(20, dtype=np.int64), np.zeros(20, dtype=np.int64), np.array([20]))
    with torch.no_grad():
        ours = Encoder(spec, weights).encode(packed, [spec.layers])[0]
        theirs = model(input_ids=torch.from_numpy(ids)[None]).last_hidden_state[0]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
