"""A journal of finished work next to an output file, from which an interrupted run resumes."""

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
except ImportError:  # Windows, where concurrent runs on one output are not detected
    fcntl = None  # type: ignore[assignment]


KEY = 12
"""Hex digits of the hash in a journal's name."""


class Journal:
    """Outcomes of input rows in order, one JSON line each, appended and synced as they are finished.

    The name contains a hash of everything the work depends on, so a run with other input or another scorer does not
    resume from it. Only one run at a time may hold it.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Wrap an open file; use `open_journal` to create it."""
        self.path, self._file = path, file
        self.done = 0

    def append(self, outcomes: Sequence[Any]) -> None:
        """Append outcomes and flush them to disk."""
        self._file.write(b"".join(json.dumps(outcome).encode() + b"\n" for outcome in outcomes))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.done += len(outcomes)

    def outcomes(self) -> Iterator[Any]:
        """Yield all outcomes from the first."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def keep(self, done: int) -> None:
        """Keep the first `done` outcomes."""
        self._file.seek(0)
        for _ in range(done):
            self._file.readline()
        self._file.truncate(self._file.tell())
        self._file.seek(0, os.SEEK_END)
        self.done = done

    def resume(self) -> None:
        """Count the complete lines and truncate a partial one left by a crash."""
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
    """Lock a file for this process until it is closed.

    Raises:
        InputError: another process holds the lock, with the message `complaint`.

    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(complaint) from error


@contextmanager
def open_journal(target: Path, identity: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the journal of `target` for work described by `identity`; remove it when the block succeeds.

    Abandoned journals of other work for the same target are removed too, such as those of an earlier input.

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
