"""Splitting a file of rows into parts of equal size that other processes can read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cappy.errors import InputError
from cappy.files.rows import BadRow, Row, format_of, json_rows, scan_rows

Numbered = tuple[int, Row | BadRow]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows `first` to `first + rows`, counted from 0; in plain JSON lines also bytes `start` to `stop`, else -1."""

    first: int
    rows: int
    start: int = -1
    stop: int = -1


def find_parts(source: Path, size: int, skip: int = 0) -> list[Part]:
    """Split a file into parts of `size` rows, the last one smaller, starting at row `skip`.

    Raises:
        InputError: the file cannot be read.

    """
    try:
        parts = _line_parts(source, size) if _has_plain_lines(source) else _counted_parts(source, size)
        return [part for part in parts if part.first >= skip]
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror or error}).") from error


def _has_plain_lines(source: Path) -> bool:
    return format_of(source) == "jsonl" and source.suffix not in (".gz", ".zst")


def _line_parts(source: Path, size: int) -> Iterator[Part]:
    first = rows = start = place = 0
    with source.open("rb") as file:
        for line in file:
            place += len(line)
            rows += bool(line.strip())  # blank lines do not count
            if rows == size:
                yield Part(first, rows, start, place)
                first, rows, start = first + rows, 0, place
    if rows:
        yield Part(first, rows, start, place)


def _counted_parts(source: Path, size: int) -> Iterator[Part]:
    total = _parquet_rows(source) if format_of(source) == "parquet" else sum(1 for _ in scan_rows(source))
    for first in range(0, total, size):
        yield Part(first, min(size, total - first))


def _parquet_rows(source: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(source).num_rows)
    except pa.ArrowException as error:
        raise InputError(f"{source} is not a readable Parquet file ({str(error).splitlines()[0]}).") from error


class PartReader:
    """Reads parts of one file, by byte offset if it is known, otherwise onwards from the previous part.

    Compressed files, CSV and Parquet have no offsets: a worker reads past the rows of others. Parts in ascending order
    need one pass over the file.
    """

    def __init__(self, source: Path) -> None:
        """Read from `source`, which is opened for the first part."""
        self._source = source
        self._rows: Iterator[Numbered] = iter(())
        self._place = -1

    def read(self, part: Part) -> list[Numbered]:
        """Return the rows of a part.

        Raises:
            InputError: the file cannot be read, or now has fewer rows.

        """
        rows = self._bytes(part) if part.start >= 0 else self._onwards(part)
        if len(rows) != part.rows:
            raise InputError(f"{self._source} changed while it was read; start again.")
        return rows

    def _bytes(self, part: Part) -> list[Numbered]:
        try:
            with self._source.open("rb") as file:
                file.seek(part.start)
                content = file.read(part.stop - part.start)
        except OSError as error:
            raise InputError(f"{self._source} cannot be read ({error.strerror or error}).") from error
        return list(json_rows(io.BytesIO(content)))

    def _onwards(self, part: Part) -> list[Numbered]:
        if not 0 <= self._place <= part.first:
            self._rows, self._place = scan_rows(self._source), 0
        try:
            next(islice(self._rows, part.first - self._place, part.first - self._place), None)
            rows = list(islice(self._rows, part.rows))
        except BaseException:
            self._place = -1  # an iterator that failed is finished: the next attempt reads from the start
            raise
        self._place = part.first + len(rows)
        return rows
