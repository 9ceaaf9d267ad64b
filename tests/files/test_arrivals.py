"""Rows from a pipe: what has arrived is handed on, whatever the blocks that it arrives in."""

from __future__ import annotations

import io
import os

import pytest

from cappy.files.arrivals import arriving_rows
from cappy.files.rows import json_rows

LINES = b'{"n": 1}\n\n{"n": 2}\nbroken\n{"n": 3, "t": "' + b"x" * 9 + b'"}\n{"n": 4}'


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self._blocks = [content[start : start + size] for start in range(0, len(content), size)]

    def readable(self) -> bool:
        return True

    def readinto(self, into: bytearray) -> int:
        block = self._blocks.pop(0) if self._blocks else b""
        into[: len(block)] = block
        return len(block)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_and_numbers_are_those_of_a_file(size: int) -> None:
    found = [row for rows in arriving_rows(io.BufferedReader(Trickle(LINES, size)), 2) for row in rows]
    assert found == list(json_rows(io.BytesIO(LINES)))


def test_batches_are_full_where_rows_are_there() -> None:
    many = b'{"n": 1}\n' * 50
    assert [len(rows) for rows in arriving_rows(io.BufferedReader(Trickle(many, 1 << 16)), 16)] == [16, 16, 16, 2]


def test_a_row_does_not_wait_for_the_next() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as stream, os.fdopen(theirs, "wb", buffering=0) as writer:
        rows = arriving_rows(stream, 16)
        writer.write(b'{"n": 1}\n{"n"')
        assert next(rows) == [(1, {"n": 1})]
        writer.write(b": 2}\n")
        assert next(rows) == [(2, {"n": 2})]
