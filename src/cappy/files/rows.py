"""Reading rows from JSON lines (plain, .gz, .zst), CSV and Parquet files; broken rows are reported and skipped."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from cappy.errors import InputError, MissingExtraError
from cappy.files.atomic import atomic_file

Row = dict[str, Any]
FORMATS = ("jsonl", "csv", "parquet")
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".csv")
"""Extensions of row files; if a name has several, the first of these is used."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: its line (or row) number and the reason."""

    number: int
    reason: str


def format_of(path: Path) -> str:
    """Return a file's format by its extension, ignoring `.gz` and `.zst`; unknown ones mean JSON lines."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    ending = name.rpartition(".")[2].lower()
    return ending if ending in FORMATS else "jsonl"


def find_rows(folder: Path, stem: str) -> Path | None:
    """Return the row file with this stem and one of `ENDINGS`; None if there is none."""
    return next((path for ending in ENDINGS if (path := folder / f"{stem}{ending}").is_file()), None)


def needed_rows(folder: Path, stem: str) -> Path:
    """Return the row file with this stem, which a recipe needs.

    Raises:
        InputError: there is none.

    """
    path = find_rows(folder, stem)
    if path is None:
        raise InputError(f"the recipe needs {folder / stem} with one of the extensions {', '.join(ENDINGS)}.")
    return path


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file in the format of its extension; stop at the first broken one.

    Raises:
        InputError: the file cannot be read, or a row is broken (the message gives its number).

    """
    for number, row in scan_rows(path):
        if isinstance(row, BadRow):
            raise InputError(f"{path}, line {number}: {row.reason}.")
        yield row


def scan_rows(path: Path) -> Iterator[tuple[int, Row | BadRow]]:
    """Yield every row with its line number (row number in Parquet); broken ones as `BadRow`.

    Raises:
        InputError: the file as a whole cannot be read.

    """
    try:
        if format_of(path) == "parquet":
            yield from _parquet_rows(path)
        else:
            with _bytes(path) as stream:
                yield from _csv_rows(stream) if format_of(path) == "csv" else json_rows(stream)
    except _unreadable() as error:
        raise InputError(f"{path} cannot be read ({error}).") from error


def write_json_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, atomically."""
    with atomic_file(path) as beside, beside.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _unreadable() -> tuple[type[Exception], ...]:
    """Return the exceptions that a damaged or missing file raises, including compressed ones."""
    known: list[type[Exception]] = [OSError, EOFError, zlib.error, csv.Error]
    if "zstandard" in sys.modules:
        known.append(sys.modules["zstandard"].ZstdError)
    return tuple(known)


def json_rows(lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, Row | BadRow]]:
    """Read JSON lines from a binary stream or other lines, numbered from `first`; blank lines are skipped."""
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except UnicodeDecodeError:
            yield number, BadRow(number, "not UTF-8 text")
        except (ValueError, RecursionError) as error:
            yield number, BadRow(number, f"not JSON ({error})")
        else:
            yield number, row if isinstance(row, dict) else BadRow(number, "not an object with named columns")


def _csv_rows(stream: BinaryIO) -> Iterator[tuple[int, Row | BadRow]]:
    # The default limit of 131,072 characters per cell is too small for long instructions.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(lines, strict=True)
    try:
        names = list(reader.fieldnames or ())
    except csv.Error as error:
        raise csv.Error(f"the header is not CSV: {error}") from error
    if not all(_is_utf8(name) for name in names):
        raise csv.Error("the header is not UTF-8 text; save the file as UTF-8")
    if len(set(names)) < len(names):
        raise csv.Error(f"the header names a column twice: {', '.join(names)}")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, BadRow(reader.line_num, f"not CSV ({error})")
            continue
        yield reader.line_num, _checked_csv(row, reader.line_num)


def _checked_csv(row: dict[Any, Any], number: int) -> Row | BadRow:
    if None in row or None in row.values():
        return BadRow(number, "more or fewer cells than the header")
    if not all(_is_utf8(value) for value in row.values()):
        return BadRow(number, "not UTF-8 text")
    return row


def _is_utf8(text: str) -> bool:
    """Tell whether a text read with `surrogateescape` was valid UTF-8."""
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row | BadRow]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading Parquet", "data") from error
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise InputError(f"{path} is not a readable Parquet file ({str(error).splitlines()[0]}).") from error


@contextmanager
def _bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file's bytes, decompressed according to its extension."""
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            yield cast("BinaryIO", stream)
    elif path.suffix == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtraError("reading .zst files", "data") from error
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as compressed:
            yield io.BufferedReader(compressed)
    else:
        with path.open("rb") as plain:
            yield plain
