"""Scoring a file of rows into another file: streamed and resumable; broken rows are reported and skipped.

Finished scores go to a journal next to the output, one line per row; the output is written atomically when all rows are
done. An interrupted run resumes after the journal's last complete line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cappy.errors import InputError
from cappy.files.journal import Journal, open_journal
from cappy.files.rows import BadRow, Row, scan_rows
from cappy.files.tables import check_table_output, write_rows
from cappy.group import GroupScores
from cappy.scale.parts import Numbered

if TYPE_CHECKING:
    from cappy.scorer import Scorer

CHUNK = 512
"""Rows scored between two writes to the journal: the most that an interruption can lose."""
STREAM_CHUNK = 16
"""Rows of a stream scored together at most: few, because a consumer may be waiting."""
ADDED = ("score", "scores", "tokens_cut")
"""Columns of the output; input columns with these names are replaced."""
Report = Callable[[int, str], None]
Outcomes = Callable[[int], Iterator[list[Row | str]]]
"""From the number of finished rows to the outcomes of the others, chunk by chunk, in order."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The column names of the instruction and the response, or of the list of responses."""

    instruction: str = "instruction"
    response: str = "response"
    responses: str = "responses"

    def group(self, row: Row) -> tuple[str, list[str], bool]:
        """Return a row's instruction, its responses, and whether they came as a list.

        Raises:
            InputError: a column is missing or is not text.

        """
        instruction = row.get(self.instruction)
        if not isinstance(instruction, str):
            raise InputError(f"column {self.instruction!r} is missing or not text")
        if row.get(self.responses) not in (None, ""):
            return instruction, _text_list(row[self.responses], self.responses), True
        response = row.get(self.response)
        if not isinstance(response, str):
            raise InputError(f"there is neither a text in {self.response!r} nor a list of texts in {self.responses!r}")
        return instruction, [response], False


def _text_list(value: Any, name: str) -> list[str]:
    """Read a list of texts; in CSV it is a JSON list in a cell."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise InputError(f"column {name!r} is not a list of one or more texts")
    return value


def score_stream(
    scorer: Scorer, chunks: Iterable[Sequence[Numbered]], columns: Columns, report: Report
) -> Iterator[Row]:
    """Score a stream of rows, chunk by chunk, without a journal; yield each usable row with its scores."""
    for chunk in chunks:
        for (number, row), outcome in zip(chunk, outcomes_of(scorer, chunk, columns), strict=True):
            if isinstance(outcome, str) or isinstance(row, BadRow):
                report(number, str(outcome))
            else:
                yield _merged(row, outcome)


def score_file(
    scorer: Scorer,
    source: Path,
    target: Path,
    columns: Columns,
    report: Report,
    advance: Callable[[int], None],
    outcomes: Outcomes | None = None,
) -> None:
    """Score `source` into `target`, in the formats of their extensions.

    `report` is called with the number of each unusable row and the reason, `advance` with the number of rows done.
    `outcomes` replaces scoring in this process (`score_cluster`); the output is the same.

    Raises:
        InputError: a file cannot be read or written, or no row has the required columns.

    """
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    check_table_output(target)
    if target.exists() and source.samefile(target):
        raise InputError("the output would overwrite the input; give another name.")
    _check_columns(source, columns)
    with open_journal(target, _identity(scorer, source, columns)) as journal:
        if outcomes:  # a cluster scores whole chunks; a process that died amid an append has left a part of one
            journal.keep(journal.done // CHUNK * CHUNK)
        advance(journal.done)
        for made in outcomes(journal.done) if outcomes else _outcomes_here(scorer, source, columns, journal.done):
            journal.append(made)
            advance(len(made))
        bad = {number: reason for number, _, reason in _joined(source, journal) if isinstance(reason, str)}
        for number, reason in bad.items():
            report(number, reason)
        write_rows(
            target, lambda: (_merged(row, new) for _, row, new in _joined(source, journal) if not isinstance(new, str))
        )


def _outcomes_here(scorer: Scorer, source: Path, columns: Columns, done: int) -> Iterator[list[Row | str]]:
    for chunk in in_chunks(islice(scan_rows(source), done, None), CHUNK):
        yield outcomes_of(scorer, chunk, columns)


def _check_columns(source: Path, columns: Columns) -> None:
    """Refuse a file whose first rows all lack the instruction column.

    Raises:
        InputError: they do; the message lists the columns found.

    """
    first = [row for _, row in islice(scan_rows(source), 100) if not isinstance(row, BadRow)]
    if first and not any(columns.instruction in row for row in first):
        names = ", ".join(map(str, first[0]))
        raise InputError(f"{source} has no column {columns.instruction!r}; it has: {names}.")


def in_chunks(rows: Iterable[Numbered], size: int) -> Iterator[list[Numbered]]:
    """Yield the rows in chunks of this size."""
    stream = iter(rows)
    while chunk := list(islice(stream, size)):
        yield chunk


def outcomes_of(scorer: Scorer, chunk: Sequence[Numbered], columns: Columns) -> list[Row | str]:
    """Score a chunk of rows together: for each its new columns, or the reason why there are none."""
    usable: list[tuple[str, list[str]]] = []
    plans: list[bool | str] = []
    for _, row in chunk:
        try:
            if isinstance(row, BadRow):
                raise InputError(row.reason)
            instruction, responses, several = columns.group(row)
        except InputError as error:
            plans.append(str(error))
            continue
        usable.append((instruction, responses))
        plans.append(several)
    scored = iter(_scored(scorer, usable))
    return [plan if isinstance(plan, str) else _columns(next(scored), plan) for plan in plans]


def _scored(scorer: Scorer, groups: Sequence[tuple[str, list[str]]]) -> list[GroupScores | str]:
    """Score groups together; if that fails, score each alone, so that only the bad ones are lost."""
    try:
        return list(scorer.score_groups(groups))
    except InputError:
        alone: list[GroupScores | str] = []
        for group in groups:
            try:
                alone += scorer.score_groups([group])
            except InputError as error:
                alone.append(str(error).removeprefix("group 0, "))
        return alone


def _columns(scored: GroupScores | str, several: bool) -> Row | str:
    if isinstance(scored, str):
        return scored
    scores = [round(score, 6) for score in scored.scores]
    cut = max(cut.instruction + cut.response for cut in scored.cuts)
    return {"scores": scores, "tokens_cut": cut} if several else {"score": scores[0], "tokens_cut": cut}


def _merged(row: Row, new: Row) -> Row:
    return {**{key: value for key, value in row.items() if key not in ADDED}, **new}


def _joined(source: Path, journal: Journal) -> Iterator[tuple[int, Row, Row | str]]:
    """Yield the input's rows with their outcomes.

    Raises:
        InputError: their numbers differ.

    """
    try:
        for (number, row), outcome in zip(scan_rows(source), journal.outcomes(), strict=True):
            yield number, {} if isinstance(row, BadRow) else row, outcome
    except ValueError as error:
        raise InputError(f"{source} changed while it was scored; remove {journal.path} and start again.") from error


def _identity(scorer: Scorer, source: Path, columns: Columns) -> Row:
    """Return everything the outcomes depend on."""
    folder = scorer.checkpoint.folder.resolve()
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".bin", ".txt"))
    states = {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in (source.resolve(), *files)}
    settings = {key: value for key, value in scorer.settings().items() if key != "threads"}  # does not affect scores
    return {"files": states, "scorer": settings, "columns": astuple(columns), "source": str(source.resolve())}
