"""Read a task's rows, from a folder or the hub, into the columns that its templates use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cappy.data.hub import PARQUET, hub_rows
from cappy.errors import CappyError, InputError, MissingExtraError
from cappy.evaluation.zeroshot.tasks import Task
from cappy.files.rows import Row, find_rows, read_rows

_WHOLE = re.compile(r"-?\d{1,9}(\.0+)?")
REVISIONS = (None, PARQUET)
"""Branches of a data set on the hub: the default one, and the Parquet copy of sets that need a script."""


def task_rows(task: Task, folder: Path | None, hub: bool = False) -> list[Row]:
    """Return a task's rows with checked columns: from its own file, else `folder`, else the hub if allowed.

    Raises:
        InputError: the rows cannot be found (the message says where they were searched) or lack a column.

    """
    path = find_file(task, folder)
    if path is not None:
        return fitted_rows(task, read_rows(path), str(path.name))
    if hub and task.hub:
        return _from_hub(task)
    missing = f"no file {task.file_stems()[0]} in the folder" if folder else "no folder of rows is given"
    raise InputError(missing if hub or not task.hub else f"{missing}, and downloading from the hub is off")


def find_file(task: Task, folder: Path | None) -> Path | None:
    """Return the file of a task's rows, or None if there is none."""
    if task.file is not None:
        return task.file
    if folder is None:
        return None
    return next((path for stem in task.file_stems() if (path := find_rows(folder, stem))), None)


def _from_hub(task: Task) -> list[Row]:
    """Read the first of the task's hub names that is available; if none is, report the first failure."""
    failures: list[str] = []
    for name in task.hub:
        for revision in REVISIONS:
            try:
                found = [row for _, row in hub_rows(name, task.split, revision)]
            except MissingExtraError as error:
                raise InputError(reason(error)) from error
            except InputError as error:
                if isinstance(error.__cause__, ConnectionError):  # another name would time out too
                    raise InputError(f"the hub cannot be reached for {name}") from error
                failures.append(str(error))
                continue
            return fitted_rows(task, found, name)
    raise InputError(f"not on the hub as {', '.join(task.hub)}: {failures[0].rstrip('.')}")


def fitted_rows(task: Task, rows: Iterable[Any], source: str) -> list[Row]:
    """Rename columns of other releases, convert digits and labels to numbers, and check that nothing is missing.

    Raises:
        InputError: there is no row, or a row lacks a column of the task or has an invalid label.

    """
    fitted = [{task.renamed.get(key, key): value for key, value in row.items()} for row in rows]
    if not fitted:
        raise InputError(f"{source} has no rows")
    for number, row in enumerate(fitted, 1):
        absent = [column for column in task.columns if row.get(column) is None]
        if absent:
            raise InputError(f"{source}, row {number}: no value in column {absent[0]!r}")
        row.update({column: _number(row[column]) for column in task.numbers if column in row})
        if task.label_values:
            row[task.answer] = _answer(task, row[task.answer], f"{source}, row {number}")
        elif task.answer in row:
            row[task.answer] = _number(row[task.answer])
    if not task.label_values:
        check_labels(fitted, source)
    return fitted


def _number(value: Any) -> Any:
    """Convert a text of digits, a whole float or a boolean to an integer; return anything else unchanged."""
    if isinstance(value, bool):
        return int(value)
    return int(float(value)) if _WHOLE.fullmatch(str(value).strip()) else value


def _answer(task: Task, value: Any, place: str) -> int | str:
    """Return the templates' value for a row's label; unlabelled rows, with -1 for example, are refused."""
    known = {str(right): right for right in task.label_values}
    text = str(value if isinstance(value, bool) else _number(value)).strip()
    found = task.labels.get(text.casefold(), known.get(text))
    if found is None:
        shown = f"{task.label_values[0]} to {task.label_values[-1]}"
        raise InputError(f"{place}: {value!r} in column {task.answer!r} is not a label; labels are {shown}")
    return found


def check_labels(rows: Sequence[Row], source: str) -> None:
    """Check the labels of a user's own set: all texts or all numbers, and each meaningful.

    Raises:
        InputError: only some labels are texts, a label is blank or negative, or two differ only by case or spaces.

    """
    given = [row.get("label") for row in rows]
    texts = {label for label in given if isinstance(label, str)}
    for number, label in enumerate(given, 1):
        if texts and not isinstance(label, str):
            raise InputError(f"{source}, row {number}: the label is not text, but those of other rows are")
        if (isinstance(label, str) and not label.strip()) or (isinstance(label, int) and label < 0):
            raise InputError(f"{source}, row {number}: {label!r} is not a label; rows without one cannot be measured")
    if len({label.strip().casefold() for label in texts}) < len(texts):
        raise InputError(f"{source}: labels differ only by case or spaces")


def reason(error: CappyError) -> str:
    """Return an error's message without its full stop, for use in a table."""
    return str(error).rstrip(".")
