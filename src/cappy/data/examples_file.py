"""A task's examples, questions with answers, from a file of your own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cappy.data.source import Problem
from cappy.data.sources import TableSource
from cappy.errors import InputError
from cappy.group import Example


def read_examples(path: Path, columns: Mapping[str, str]) -> tuple[list[Example], list[list[str]] | None]:
    """Read examples, and their samples if the file has a column of those (lists of texts).

    `columns` maps `instruction`, `response` (or `references`), `choices` and `samples` to columns of other names.

    Raises:
        InputError: a row cannot be used; the message names it.

    """
    samples_column = columns.get("samples", "samples")
    source = TableSource(path, {name: column for name, column in columns.items() if name != "samples"})
    examples: list[Example] = []
    samples: list[list[str]] = []
    for chunk in source.chunks():
        for address, row in chunk.rows:
            found = source.example(address, row)
            if isinstance(found, Problem):
                raise InputError(f"{found.address}: {found.reason}.")
            examples.append(found)
            if row.get(samples_column) is not None:
                samples.append(_texts(row[samples_column], address))
        for problem in chunk.problems:
            raise InputError(f"{problem.address}: {problem.reason}.")
    if samples and len(samples) != len(examples):
        raise InputError(f"{path}: {len(examples) - len(samples)} of {len(examples)} rows have no samples.")
    return examples, samples or None


def _texts(value: Any, address: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InputError(f"{address}: samples must be a list of texts.")
    return list(value)
