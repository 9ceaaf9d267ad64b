"""Atomic writing of files and folders."""

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
    """Yield a folder to write into; it replaces `target` if the block succeeds."""
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    old = beside.with_name(beside.name + ".old")
    try:
        yield beside
        for path in beside.rglob("*"):
            if path.is_file():
                path.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner may read
                sync(path)
        beside.chmod(0o777 & ~_umask())
        if target.exists():
            target.rename(old)
        beside.rename(target)
    finally:
        if old.exists() and not target.exists():  # interrupted between the two renames
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a path to write to; it replaces `target` if the block succeeds. Links are followed."""
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
    """Write a JSON file atomically."""
    with atomic_file(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_output(target: Path) -> None:
    """Refuse a path that cannot be written, before any work is done.

    Raises:
        InputError: the folder is missing or not writable, or the path is not a regular file.

    """
    resolved = target.resolve()
    if resolved.exists() and not resolved.is_file():
        raise InputError(f"{target} is not a regular file and will not be replaced; give another name.")
    if not resolved.parent.is_dir():
        raise InputError(f"the folder of {target} does not exist.")
    if not os.access(resolved.parent, os.W_OK):
        raise InputError(f"the folder of {target} is not writable.")


def sync(path: Path) -> None:
    """Flush a file's content to disk."""
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
    """Return the process's file mode mask; temporary files are created with stricter modes."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
