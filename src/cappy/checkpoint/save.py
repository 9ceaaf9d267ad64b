"""Writing checkpoint folders that Cappy, transformers and sentence-transformers can read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.groups import GROUPS_FILE, to_groups
from cappy.encoders.registry import encoder_spec
from cappy.files.atomic import atomic_file, atomic_folder, sha256

MANIFEST = "manifest.json"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_VOCABULARY_FILES = ("vocab.txt", "vocab.json", "merges.txt")
_DROPPED = ("_name_or_path", "architectures", "transformers_version", "gradient_checkpointing", "id2label", "label2id")


def scorer_config(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an encoder's config into a scorer's: one linear output, trained by regression.

    Other libraries apply a sigmoid to one-label models unless `problem_type` and sentence-transformers' own entry say
    otherwise.
    """
    config = {key: value for key, value in base.items() if key not in _DROPPED}
    config["architectures"] = [encoder_spec(base, "the encoder").sequence_class]
    config["id2label"], config["label2id"] = {"0": "SCORE"}, {"SCORE": 0}
    config["problem_type"] = "regression"
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    config["cappy"] = dict(settings)
    return config


def save_checkpoint(
    target: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    tokenizer_from: Path,
    card: str,
    dtype: str = "float16",
) -> None:
    """Write a checkpoint atomically: config, weights, tokenizer, model card, and a manifest of hashes.

    `dtype` is a numpy type, or "q8" for 8-bit groups, which only Cappy can read.
    """
    from safetensors.numpy import save_file

    with atomic_folder(target) as folder:
        if dtype == "q8":
            save_file(to_groups(weights), folder / GROUPS_FILE, metadata={"format": "cappy-q8"})
        else:
            stored = {name: np.ascontiguousarray(array, dtype=dtype) for name, array in weights.items()}
            save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        written = {**config, "dtype": "float16" if dtype == "q8" else dtype}
        (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        for name in (*_TOKENIZER_FILES, *_VOCABULARY_FILES):
            if (tokenizer_from / name).exists():
                shutil.copyfile(tokenizer_from / name, folder / name)
        _set_tokenizer_limit(folder, config)
        (folder / "README.md").write_text(card, encoding="utf-8")
        write_manifest(folder)


def _set_tokenizer_limit(folder: Path, config: Mapping[str, Any]) -> None:
    """Remove the encoder's own truncation and padding from the tokenizer, because other libraries would apply them."""
    path = folder / "tokenizer.json"
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        content |= {"truncation": None, "padding": None}
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    limit = (config.get("cappy") or {}).get("max_tokens")
    if path.exists() and limit:
        settings = {**json.loads(path.read_text(encoding="utf-8")), "model_max_length": limit}
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def write_manifest(folder: Path) -> None:
    """Write a manifest with the size and SHA-256 of every file in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    entries = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files}
    (folder / MANIFEST).write_text(json.dumps({"files": entries}, indent=2) + "\n", encoding="utf-8")


def note_setting(folder: Path, name: str, value: Any) -> None:
    """Set one of Cappy's settings in a checkpoint's config; update the manifest, if there is one.

    Raises:
        OSError: a file cannot be written.

    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["cappy"] = {**(config.get("cappy") or {}), name: value}
    with atomic_file(path) as beside:
        beside.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if (folder / MANIFEST).exists():
        write_manifest(folder)


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a folder that differ from its manifest; empty if there is no manifest."""
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"].items()
        return [n for n, e in entries if not (folder / n).exists() or sha256(folder / n) != e["sha256"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [MANIFEST]
