"""Reading a task's rows, from a folder or from the hub, into the columns its templates name."""

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
"""Where the hub keeps a data set: its own branch, and the copy in Parquet made of sets that need a script."""


def task_rows(task: Task, folder: Path | None, hub: bool = False) -> list[Row]:
    """Return a task's rows with their columns checked: from its own file, else `folder`, else the hub if allowed.

    Raises:
        InputError: the rows cannot be had (the message says where they were looked for) or lack a column.

    """
    path = find_file(task, folder)
    if path is not None:
        return fitted_rows(task, read_rows(path), str(path.name))
    if hub and task.hub:
        return _from_hub(task)
    missing = f"no file {task.file_stems()[0]} in the folder" if folder else "no folder of rows is named"
    raise InputError(missing if hub or not task.hub else f"{missing}, and the hub was not asked")


def find_file(task: Task, folder: Path | None) -> Path | None:
    """Return the file of a task's rows, None where there is none."""
    if task.file is not None:
        return task.file
    if folder is None:
        return None
    return next((path for stem in task.file_stems() if (path := find_rows(folder, stem))), None)


def _from_hub(task: Task) -> list[Row]:
    """Take the first of the task's names that can be had; the message of the first failure is the one that tells."""
    failures: list[str] = []
    for name in task.hub:
        for revision in REVISIONS:
            try:
                found = [row for _, row in hub_rows(name, task.split, revision)]
            except MissingExtraError as error:
                raise InputError(reason(error)) from error
            except InputError as error:
                if isinstance(error.__cause__, ConnectionError):  # asking again for another name would take as long
                    raise InputError(f"the hub cannot be reached for {name}") from error
                failures.append(str(error))
                continue
            return fitted_rows(task, found, name)
    raise InputError(f"not on the hub as {', '.join(task.hub)}: {failures[0].rstrip('.')}")


def fitted_rows(task: Task, rows: Iterable[Any], source: str) -> list[Row]:
    """Rename columns of another release, make numbers of digits and labels, and check that nothing is missing.

    Raises:
        InputError: there is no row, or one lacks a column the task has or is not labelled as the task's rows are.

    """
    fitted = [{task.renamed.get(key, key): value for key, value in row.items()} for row in rows]
    if not fitted:
        raise InputError(f"{source} holds no row")
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
    """Return the integer that a text of digits, a whole float or a truth value stands for; anything else as it is."""
    if isinstance(value, bool):
        return int(value)
    return int(float(value)) if _WHOLE.fullmatch(str(value).strip()) else value


def _answer(task: Task, value: Any, place: str) -> int | str:
    """Return the value that a row's label is for the templates; a row without a label has another one, such as -1."""
    known = {str(right): right for right in task.label_values}
    text = str(value if isinstance(value, bool) else _number(value)).strip()
    found = task.labels.get(text.casefold(), known.get(text))
    if found is None:
        shown = f"{task.label_values[0]} to {task.label_values[-1]}"
        raise InputError(f"{place}: {value!r} in column {task.answer!r} is no label, which are {shown}")
    return found


def check_labels(rows: Sequence[Row], source: str) -> None:
    """Check the labels of a set of one's own: all texts or all numbers, each telling something.

    Raises:
        InputError: some rows have a text for a label and some have not, or a label is blank, negative, or another's but
            for case and spaces.

    """
    given = [row.get("label") for row in rows]
    texts = {label for label in given if isinstance(label, str)}
    for number, label in enumerate(given, 1):
        if texts and not isinstance(label, str):
            raise InputError(f"{source}, row {number}: the label is no text, as those of other rows are")
        if (isinstance(label, str) and not label.strip()) or (isinstance(label, int) and label < 0):
            raise InputError(f"{source}, row {number}: {label!r} is no label; rows without one cannot be measured")
    if len({label.strip().casefold() for label in texts}) < len(texts):
        raise InputError(f"{source}: labels differ by case or spaces alone")


def reason(error: CappyError) -> str:
    """Return an error's sentence without its stop, as the row of a table shows it."""
    return str(error).rstrip(".")
