"""A journal of finished work beside an output file: what an interrupted run goes on from."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cappy.errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where two runs on one output are not told apart
    fcntl = None  # type: ignore[assignment]


KEY = 12
"""Digits of the hash in a journal's name."""


class Journal:
    """Outcomes of an input's rows in order, a line of JSON each, appended and synced as they are finished.

    The name holds a hash of what the work depends on, so work of other input or another scorer is
    not continued. One run at a time may hold it.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Wrap an open file; `open_journal` prepares it."""
        self.path, self._file = path, file
        self.done = 0

    def append(self, outcomes: Sequence[Any]) -> None:
        """Write outcomes and make sure they are on the disk."""
        self._file.write(b"".join(json.dumps(outcome).encode() + b"\n" for outcome in outcomes))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.done += len(outcomes)

    def outcomes(self) -> Iterator[Any]:
        """Read all outcomes from the first."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def resume(self) -> None:
        """Count the whole lines and cut off one that a crash left half written."""
        self._file.seek(0)
        whole = done = place = 0
        while block := self._file.read(1 << 20):  # a journal may be larger than memory
            if b"\n" in block:
                whole = place + block.rfind(b"\n") + 1
            done, place = done + block.count(b"\n"), place + len(block)
        self._file.truncate(whole)
        self._file.seek(whole)
        self.done = done


def locked(file: BinaryIO, complaint: str) -> None:
    """Hold a file for this process until it is closed.

    Raises:
        InputError: another process holds it; `complaint` says so.

    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(complaint) from error


@contextmanager
def open_journal(target: Path, identity: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the journal of `target` for work described by `identity`; it is removed when the block ends well.

    With it go those of other work for the same target, which was interrupted and is not wanted any more: of an input
    that has changed since, say.

    Raises:
        InputError: another run holds it, or it cannot be written.

    """
    key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:KEY]
    path = target.with_name(f".{target.name}.{key}.progress")
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as file:
            locked(file, f"another run is writing {target}.")
            journal = Journal(path, file)
            journal.resume()
            yield journal
            path.unlink()
            _remove_abandoned(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror or error}).") from error


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * KEY}.progress"):
        with suppress(OSError, InputError), path.open("rb") as file:
            locked(file, "another run works on it")
            path.unlink()
