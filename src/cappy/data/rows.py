"""Rows of JSON lines (plain, .gz, .zst), CSV and Parquet files, one at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from cappy.errors import InputError, MissingExtraError

Row = dict[str, Any]


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file by its ending.

    Raises:
        InputError: the file cannot be read, or a line is broken (named by its number).

    """
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    try:
        if name.endswith(".parquet"):
            yield from _parquet_rows(path)
        elif name.endswith(".csv"):
            with _text(path) as lines:
                yield from csv.DictReader(lines)
        else:
            with _text(path) as lines:
                yield from _json_rows(lines, path)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error


def _json_rows(lines: TextIO, path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object with named columns.")
        yield row


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "data") from error
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            yield from batch.to_pylist()


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """Open a text file, decompressing by its ending."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            yield lines  # type: ignore[misc]  (gzip's "rt" is a TextIO)
    elif path.suffix == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtraError("reading .zst files", "data") from error
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            yield io.TextIOWrapper(stream, encoding="utf-8", newline="")
    else:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield lines
