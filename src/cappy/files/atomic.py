"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cappy.errors import InputError


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write into; it replaces `target` when the block ends without an error."""
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    old = beside.with_name(beside.name + ".old")
    try:
        yield beside
        for path in beside.rglob("*"):
            if path.is_file():
                path.chmod(0o666 & ~_umask())  # safetensors writes files that nobody else may read
                sync(path)
        beside.chmod(0o777 & ~_umask())
        if target.exists():
            target.rename(old)
        beside.rename(target)
    finally:
        if old.exists() and not target.exists():  # stopped between the two renames
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; it replaces `target` when the block ends without an error. Links are followed."""
    target = target.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        sync(beside)
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    with atomic_file(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_output(target: Path) -> None:
    """Refuse a place no file can be written to, before the work for it is done.

    Raises:
        InputError: the folder is missing or closed, or something that is no ordinary file is there.

    """
    resolved = target.resolve()
    if resolved.exists() and not resolved.is_file():
        raise InputError(f"{target} is no ordinary file and will not be replaced; give another name.")
    if not resolved.parent.is_dir():
        raise InputError(f"the folder of {target} does not exist.")
    if not os.access(resolved.parent, os.W_OK):
        raise InputError(f"nothing can be written to the folder of {target}.")


def sync(path: Path) -> None:
    """Make sure that a file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """Hash a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _umask() -> int:
    """Return the process's mask for new files; temporary files are made stricter than it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
