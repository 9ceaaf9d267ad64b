from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.find import bundled_folder, find_checkpoint
from cappy.checkpoint.save import damaged_files, save_checkpoint, scorer_config
from cappy.errors import CheckpointError
from tests.conftest import build_checkpoint, edit_config


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert, tmp_path / "copy"))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        cappy.load(folder)


def test_truncated_weights(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(copy, "damaged or incomplete")


def test_garbage_instead_of_weights(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"<html>not found</html>")
    refused(copy, "damaged or incomplete")


def test_two_labels(tmp_path: Path) -> None:
    refused(build_checkpoint(tmp_path / "two", "bert", labels=2), "2 labels")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "llama"}, "model_type 'llama'"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": "wide"}, "encoder size"),
        ({"num_attention_heads": 5}, "sizes in config.json are impossible"),
        ({"intermediate_size": 65}, "has shape"),
        ({"num_hidden_layers": 4}, "lack"),
        ({"cappy": {"layout": "long"}}, "does not fit"),
        ({"cappy": {"max_tokens": 9999}}, "does not fit"),
        ({"cappy": {"max_tokens": 3}}, "limits are invalid"),
    ],
)
def test_configs_that_cannot_be_run(copy: Path, changes: dict[str, object], words: str) -> None:
    edit_config(copy, **changes)
    refused(copy, words)


def test_missing_and_broken_files(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{")
    refused(copy, "tokenizer cannot be read")
    (copy / "model.safetensors").unlink()
    refused(copy, "tokenizer|no model.safetensors")
    (copy / "config.json").write_text("[1]")
    refused(copy, "is not a JSON object")
    (copy / "config.json").write_text("{")
    refused(copy, "not JSON")
    (copy / "config.json").unlink()
    refused(copy, "is not a checkpoint")


def test_names_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="use base, mini, a folder"):
        find_checkpoint(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        find_checkpoint(tmp_path / "file")


def test_hub_name_offline_says_so(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "cappy.cli.app", "rank", "q", "a", "--model", "btan2/cappy-large"]
    run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert run.returncode == 3
    assert "Hugging Face hub" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_cached_hub_repository_loads_offline(bert: Path, tmp_path: Path) -> None:
    """Lay a checkpoint out as the hub's cache does and load it by its hub name, as a second call would."""
    import os
    import subprocess
    import sys

    repository = tmp_path / "hub" / "models--someone--tiny"
    shutil.copytree(bert, repository / "snapshots" / "0123abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "cappy.cli.app"]
    run = subprocess.run(
        [*command, "rank", "q", "a", "-m", "someone/tiny", "--json"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    expected = cappy.load(bert).score("q", "a")
    assert json.loads(run.stdout)["results"][0]["score"] == pytest.approx(expected, abs=1e-5)
    listed = subprocess.run(
        [*command, "models"], env={**environment, "COLUMNS": "200"}, check=False, capture_output=True, text=True
    )
    assert "someone/tiny" in listed.stdout


def test_sharded_weights_score_the_same(copy: Path) -> None:
    expected = cappy.load(copy).score("what ?", ["yes", "no"])
    weights = load_file(copy / "model.safetensors")
    names = sorted(weights)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: weights[name] for name in part}, copy / file)
    (copy / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert cappy.load(copy).score("what ?", ["yes", "no"]) == pytest.approx(expected)
    (copy / "b.safetensors").unlink()
    refused(copy, "damaged or incomplete|cannot be read")


def test_old_torch_weights_are_read_and_code_in_them_refused(copy: Path) -> None:
    import torch

    expected = cappy.load(copy).score("what ?", ["yes", "no"])
    tensors = {name: torch.from_numpy(array) for name, array in load_file(copy / "model.safetensors").items()}
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    assert cappy.load(copy).score("what ?", ["yes", "no"]) == pytest.approx(expected)
    torch.save({"evil": Path("/")}, copy / "pytorch_model.bin")
    refused(copy, "more than tensors")


def test_old_vocabulary_files_give_the_same_tokens(copy: Path) -> None:
    vocabulary = json.loads((copy / "tokenizer.json").read_text())["model"]["vocab"]
    before = read_checkpoint(copy).tokenizer.encode(["the cat, PARIS ?"])
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    assert read_checkpoint(copy).tokenizer.encode(["the cat, PARIS ?"]) == before


def test_saved_checkpoints_load_here_and_in_transformers(copy: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    source = read_checkpoint(copy)
    config = scorer_config(source.config, {"layout": "joint"})
    save_checkpoint(tmp_path / "saved", config, source.read_weights(), copy, "# card\n", dtype="float16")
    assert cappy.load(tmp_path / "saved").score("q", "a") == pytest.approx(cappy.load(copy).score("q", "a"), abs=1e-3)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    assert model.config.problem_type == "regression"
    assert model.config.num_labels == 1
    assert damaged_files(tmp_path / "saved") == []
    (tmp_path / "saved" / "tokenizer.json").write_text("{}")
    assert damaged_files(tmp_path / "saved") == ["tokenizer.json"]


def test_sentence_transformers_puts_no_sigmoid_on_a_saved_checkpoint(copy: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    source = read_checkpoint(copy)
    weights = source.read_weights()
    weights["classifier.bias"] = weights["classifier.bias"] + np.float32(3)  # a sigmoid would keep scores under 1
    save_checkpoint(tmp_path / "saved", scorer_config(source.config, {}), weights, copy, "# card\n", dtype="float32")
    expected = cappy.load(tmp_path / "saved").score("the sky", ["blue", "red"])
    settings = {"model_max_length": 96, "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    settings |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    (tmp_path / "saved" / "tokenizer_config.json").write_text(json.dumps(settings))
    encoder = CrossEncoder(str(tmp_path / "saved"), device="cpu")
    assert encoder.activation_fn.__class__.__name__ == "Identity"
    assert expected.max() > 1


def test_the_bundled_scorer_is_found_by_name() -> None:
    assert find_checkpoint() == find_checkpoint("base") == find_checkpoint("cappy-base") == bundled_folder()
    assert find_checkpoint("mini") == find_checkpoint("cappy-mini") == bundled_folder("cappy-mini")
