"""JSON lines from a pipe, in batches of what has arrived: a writer that pauses gets its rows back."""

from __future__ import annotations

import io
from collections.abc import Iterator

from cappy.files.rows import BadRow, Row, json_rows

BLOCK = 1 << 16
"""Bytes read at once: what a pipe holds on Linux."""


def arriving_rows(stream: io.BufferedIOBase, most: int) -> Iterator[list[tuple[int, Row | BadRow]]]:
    """Yield rows with their line numbers, up to `most` at a time, without waiting for rows still to come."""
    number = 1
    for lines in _arriving_lines(stream):
        for start in range(0, len(lines), most):
            part = lines[start : start + most]
            if rows := list(json_rows(part, number)):
                yield rows
            number += len(part)


def _arriving_lines(stream: io.BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield the complete lines of each block; a line that is still being written waits for its end."""
    open_line: list[bytes] = []
    while block := stream.read1(BLOCK):  # returns what is there, and waits only if there is nothing
        if b"\n" not in block:
            open_line.append(block)
            continue
        *lines, rest = b"".join([*open_line, block]).split(b"\n")
        open_line = [rest]
        yield lines
    if last := b"".join(open_line):
        yield [last]
