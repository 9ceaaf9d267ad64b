"""Scoring a file of rows into another: streamed, resumable, broken rows reported and passed over.

Finished scores go to a journal beside the output, a line a row; the output itself appears whole when
all rows are done. A run that was stopped goes on behind the journal's last whole line.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cappy.checkpoint.files import atomic_file
from cappy.data.rows import BadRow, Row, format_of, scan_rows
from cappy.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from cappy.scorer import Scorer

CHUNK = 512
"""Rows scored between two writes to the journal: what an interruption costs at most."""
Report = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold the instruction and the response, or the list of responses."""

    instruction: str = "instruction"
    response: str = "response"
    responses: str = "responses"

    def group(self, row: Row) -> tuple[str, list[str], bool]:
        """Return a row's instruction, responses, and whether it has a list of them.

        Raises:
            InputError: a column is missing or holds no text.

        """
        instruction = row.get(self.instruction)
        if not isinstance(instruction, str):
            raise InputError(f"column {self.instruction!r} is missing or not text")
        if row.get(self.responses) not in (None, ""):
            return instruction, _text_list(row[self.responses], self.responses), True
        response = row.get(self.response)
        if not isinstance(response, str):
            raise InputError(f"neither {self.response!r} with a text nor {self.responses!r} with a list of texts")
        return instruction, [response], False


def _text_list(value: Any, name: str) -> list[str]:
    """Read a list of texts, which in CSV is a JSON list in a cell."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise InputError(f"column {name!r} is not a list of one or more texts")
    return value


def score_stream(
    scorer: Scorer, rows: Iterable[tuple[int, Row | BadRow]], columns: Columns, report: Report
) -> Iterator[Row]:
    """Score rows as they come, without a journal; yields each usable row with its scores."""
    for chunk in _chunks(rows):
        for number, row, outcome in _score_chunk(scorer, chunk, columns):
            if isinstance(outcome, str):
                report(number, outcome)
            else:
                yield {**row, **outcome}


def score_file(
    scorer: Scorer, source: Path, target: Path, columns: Columns, report: Report, advance: Callable[[int], None]
) -> None:
    """Score `source` into `target`, their formats by their endings.

    `report` is told each unusable row's number and why, `advance` the number of rows done.

    Raises:
        InputError: a file cannot be read or written.

    """
    _check_target(source, target)
    journal = target.with_name(f".{target.name}.progress")
    done = _open_journal(journal, _identity(scorer, source, columns))
    advance(done)
    try:
        with journal.open("ab") as log:
            for chunk in _chunks(islice(scan_rows(source), done, None)):
                for _, _, outcome in _score_chunk(scorer, chunk, columns):
                    log.write(json.dumps(outcome).encode() + b"\n")
                log.flush()
                os.fsync(log.fileno())
                advance(len(chunk))
        write_rows(target, _merged(source, journal, report))
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror or error}).") from error
    journal.unlink()


def _merged(source: Path, journal: Path, report: Report) -> Iterator[Row]:
    """Join the input's rows with the journal's outcomes, reporting those that have no scores."""
    with journal.open("rb") as log:
        next(log)
        for (number, row), line in zip(scan_rows(source), log, strict=True):
            outcome = json.loads(line)
            if isinstance(outcome, str) or isinstance(row, BadRow):
                report(number, str(outcome))
            else:
                yield {**row, **outcome}


def _check_target(source: Path, target: Path) -> None:
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    if target.exists() and source.samefile(target):
        raise InputError("the output would overwrite the input; give another name.")
    if not target.absolute().parent.is_dir():
        raise InputError(f"the folder of {target} does not exist.")
    if format_of(target) == "parquet":
        try:
            import pyarrow  # noqa: F401  (asked for before hours of scoring, not after)
        except ImportError as error:
            raise MissingExtraError("writing Parquet", "data") from error


def _chunks(rows: Iterable[tuple[int, Row | BadRow]]) -> Iterator[list[tuple[int, Row | BadRow]]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk


def _score_chunk(
    scorer: Scorer, chunk: Sequence[tuple[int, Row | BadRow]], columns: Columns
) -> Iterator[tuple[int, Row, Row | str]]:
    """Score a chunk; yields number, row, and either the new columns or why there are none."""
    usable: list[tuple[str, list[str]]] = []
    plans: list[tuple[int, Row, bool | str]] = []
    for number, row in chunk:
        if isinstance(row, BadRow):
            plans.append((number, {}, row.reason))
            continue
        try:
            instruction, responses, several = columns.group(row)
        except InputError as error:
            plans.append((number, row, str(error)))
            continue
        usable.append((instruction, responses))
        plans.append((number, row, several))
    scored = scorer.score_groups(usable)
    for number, row, plan in plans:
        if isinstance(plan, str):
            yield number, row, plan
        else:
            scores = [round(score, 6) for score in next(scored).scores]
            yield number, row, {"scores": scores} if plan else {"score": scores[0]}


def _identity(scorer: Scorer, source: Path, columns: Columns) -> Row:
    """Describe what a journal belongs to: other input or another scorer must not continue it."""
    facts = source.stat()
    weights = scorer.checkpoint.folder / "model.safetensors"
    return {
        "source": [source.name, facts.st_size, facts.st_mtime_ns],
        "scorer": [str(scorer.checkpoint.folder), weights.stat().st_size if weights.exists() else 0, repr(scorer)],
        "columns": [columns.instruction, columns.response, columns.responses],
    }


def _open_journal(journal: Path, identity: Row) -> int:
    """Prepare the journal and return how many rows it holds; one that is not ours is begun anew."""
    heading = json.dumps(identity).encode() + b"\n"
    try:
        content = journal.read_bytes() if journal.exists() else b""
        if not content.startswith(heading):
            journal.write_bytes(heading)
            return 0
        whole = content[: content.rfind(b"\n") + 1]  # a line cut off by a crash is done again
        if whole != content:
            journal.write_bytes(whole)
        return whole.count(b"\n") - 1
    except OSError as error:
        raise InputError(f"{journal} cannot be written ({error.strerror or error}).") from error


def write_rows(target: Path, rows: Iterator[Row]) -> None:
    """Write rows to a file by its ending, whole or not at all."""
    with atomic_file(target) as beside:
        if format_of(target) == "parquet":
            _write_parquet(beside, rows)
        elif format_of(target) == "csv":
            _write_csv(beside, rows)
        else:
            with beside.open("wb") as file:
                for row in rows:
                    file.write(json_line(row))


def json_line(row: Row) -> bytes:
    """Encode a row as a line of JSON: readable UTF-8, or escapes where a text holds lone surrogates."""
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode() + b"\n"


def _write_csv(target: Path, rows: Iterator[Row]) -> None:
    writer: csv.DictWriter[str] | None = None
    with target.open("w", encoding="utf-8", errors="replace", newline="") as file:
        for row in rows:
            flat = {
                key: json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for key, v in row.items()
            }
            if writer is None:
                names = list(flat) + [name for name in ("score", "scores") if name not in flat]
                writer = csv.DictWriter(file, names, extrasaction="ignore", restval="")
                writer.writeheader()
            writer.writerow(flat)


def _write_parquet(target: Path, rows: Iterator[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = iter(rows)
    writer: pq.ParquetWriter | None = None
    while chunk := list(islice(stream, 4096)):
        for row in chunk:
            row.setdefault("score", None)
            row.setdefault("scores", None)
        schema = writer.schema if writer else _parquet_schema(chunk)
        writer = writer or pq.ParquetWriter(target, schema)
        writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
    if writer is None:
        pq.write_table(pa.table({"score": pa.array([], pa.float64())}), target)
    else:
        writer.close()


def _parquet_schema(chunk: Sequence[Row]) -> Any:
    """Take the columns from the first rows; the scores' types are known."""
    import pyarrow as pa

    inferred = pa.Table.from_pylist(list(chunk)).schema
    fields = [field for field in inferred if field.name not in ("score", "scores")]
    return pa.schema([*fields, ("score", pa.float64()), ("scores", pa.list_(pa.float64()))])
