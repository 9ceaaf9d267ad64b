"""Writing rows atomically as JSON lines, CSV or Parquet, whatever their values."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cappy.errors import InputError, MissingExtraError
from cappy.files.atomic import atomic_file, check_output
from cappy.files.rows import Row, format_of
from cappy.text.normalization import repair

CHUNK = 4096


def check_table_output(target: Path) -> None:
    """Refuse a path or a format that cannot be written, before any work is done.

    Raises:
        InputError: the path cannot be written, or the extension requests compression.
        MissingExtraError: Parquet is requested and pyarrow is not installed.

    """
    check_output(target)
    if target.suffix in (".gz", ".zst"):
        raise InputError(
            f"compressed output is not supported; give {target.name} an extension like .jsonl, .csv or .parquet."
        )
    if format_of(target) == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("writing Parquet", "data") from error


def write_rows(target: Path, rows: Callable[[], Iterable[Row]]) -> None:
    """Write rows in the format of `target`'s extension. `rows` is called twice if a table needs its columns first."""
    kind = format_of(target)
    with atomic_file(target) as beside:
        if kind == "jsonl":
            with beside.open("wb") as file:
                file.writelines(map(json_line, rows()))
        elif kind == "csv":
            _write_csv(beside, rows(), list(column_kinds(rows())))
        else:
            _write_parquet(beside, rows(), column_kinds(rows()))


def json_line(row: Row) -> bytes:
    """Encode a row as a JSON line: readable UTF-8, or escapes for lone surrogates."""
    try:
        return json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, default=str).encode() + b"\n"


def column_kinds(rows: Iterable[Row]) -> dict[str, str]:
    """Return the columns in the order of appearance, each with the kind of its values over all rows.

    Kinds: `bool`, `int`, `float`, `text`, `texts` and `numbers` (lists), `none`, and `json` for other or mixed values.
    """
    kinds: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            kinds[name] = _joined(kinds.get(name, "none"), _kind(value))
    return kinds


def _kind(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return "json"  # no column type fits
    if isinstance(value, list):
        kinds = {_kind(item) for item in value}
        return {"text": "texts", "float": "numbers"}.get(kinds.pop(), "json") if len(kinds) == 1 else "json"
    return {type(None): "none", bool: "bool", int: "int", float: "float", str: "text"}.get(type(value), "json")


def _joined(one: str, other: str) -> str:
    if "none" in (one, other):
        return other if one == "none" else one
    if {one, other} == {"int", "float"}:
        return "float"
    return one if one == other else "json"


def _write_csv(target: Path, rows: Iterable[Row], names: Sequence[str]) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    """Convert a value to a CSV cell: lists and objects as JSON, texts without lone surrogates."""
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    return repair(value) if isinstance(value, str) else value


def _write_parquet(target: Path, rows: Iterable[Row], kinds: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "texts": pa.list_(pa.string())}
    types["numbers"] = pa.list_(pa.float64())
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in kinds.items()])
    stream: Iterator[Row] = iter(rows)
    with pq.ParquetWriter(target, schema) as writer:
        while chunk := list(islice(stream, CHUNK)):
            plain = [{name: _plain(row.get(name), kind) for name, kind in kinds.items()} for row in chunk]
            writer.write_table(pa.Table.from_pylist(plain, schema=schema))


def _plain(value: Any, kind: str) -> Any:
    """Convert a value to this kind of Parquet column."""
    if value is None or kind in ("bool", "int", "numbers"):
        return value
    if kind == "float":
        return float(value)
    if kind == "text":
        return repair(value)
    if kind == "texts":
        return [repair(item) for item in value]
    return json.dumps(value, default=str)
