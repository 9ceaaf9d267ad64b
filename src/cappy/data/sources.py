"""Sources of examples: rendered sets, tables, data sets with PromptSource templates (also from the hub), BIG-Bench."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from cappy.data.bigbench import find_task
from cappy.data.hub import hub_rows
from cappy.data.promptsource import Template, read_templates, rendered_example
from cappy.data.rendered import Rendered, rendered_examples, task_of
from cappy.data.source import Chunk, Found, PassedOver, Problem
from cappy.errors import InputError
from cappy.files.rows import BadRow, scan_rows
from cappy.group import Example
from cappy.text.normalization import normalise

CHUNK_ROWS = 5000
"""Rows per chunk: enough to draw negatives from, few enough to hold in memory."""

TABLE_COLUMNS = ("instruction", "response", "references", "choices", "task")

Located = tuple[str, Any]
"""A row and its address; a `BadRow` if it cannot be read."""


@dataclass(frozen=True)
class RenderedSource:
    """Rendered rows (P3 style): columns template, instruction, response.

    Consecutive rows of a task are processed together, so that choices listed by one template serve the others.
    `left_out` names tasks to skip; `rows` caps each template.
    """

    path: Path
    left_out: tuple[str, ...] = ()
    rows: int | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def chunks(self) -> Iterator[Chunk]:
        """Read the file in runs of rows of one task."""
        seen: dict[str, int] = {}

        def wanted(item: Located) -> bool:
            row = item[1]
            template = row.get("template") if isinstance(row, dict) else None
            if not isinstance(template, str):
                return True  # a problem, to be counted
            seen[template] = seen.get(template, 0) + 1
            return task_of(template) not in self.left_out and (self.rows is None or seen[template] <= self.rows)

        located = filter(wanted, _located(self.path))
        number = 0
        for _, members in groupby(located, key=lambda item: _task_of_row(item[1])):
            while rows := list(islice(members, CHUNK_ROWS)):
                yield Chunk(f"{self.name}-{number:05d}", rows)
                number += 1

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Find the choices of the chunk's rows."""
        rows: list[Rendered] = []
        for address, row in chunk.rows:
            problem = _rendered_problem(address, row)
            if problem:
                yield problem
            else:
                rows.append(Rendered(row["template"], row["instruction"], row["response"], address))
        used: set[str] = set()
        for _, example in rendered_examples(rows):
            used.add(example.address)
            yield example
        for row in rows:
            if row.address not in used:
                yield Problem(row.address, "one answer only", f"all rows of {row.template!r} have the same response")


def _task_of_row(row: Any) -> str:
    template = row.get("template") if isinstance(row, dict) else None
    return task_of(template) if isinstance(template, str) else ""


@dataclass(frozen=True)
class TableSource:
    """A table of your own (JSON lines, CSV, Parquet): an instruction and its right answer in each row.

    `columns` maps fields to columns of other names: `instruction` and `response` (or `references`, a list) are
    required; `choices` (a list of all possible answers) and `task` are optional.
    """

    path: Path
    columns: Mapping[str, str] | None = None
    task: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.columns or ()) - set(TABLE_COLUMNS)
        if unknown:
            raise InputError(f"columns has {', '.join(sorted(unknown))}; it may name {', '.join(TABLE_COLUMNS)}.")

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def chunks(self) -> Iterator[Chunk]:
        """Read the file."""
        return _chunked(self.name, _located(self.path))

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Read the columns."""
        for address, row in chunk.rows:
            yield self.example(address, row)

    def example(self, address: str, row: Any) -> Example | Problem:
        """Turn one row (or `BadRow`) at `address` into an example, or a problem."""
        if isinstance(row, BadRow):
            return Problem(address, "broken row", row.reason)
        at = {name: name for name in TABLE_COLUMNS} | dict(self.columns or {})
        cells = {name: row.get(column) for name, column in at.items()}
        references = cells["response"] if cells["references"] is None else cells["references"]
        cells["response"] = [references] if isinstance(references, str) else references
        problem = _cell_problem(cells, at)
        if problem:
            return Problem(address, *problem)
        filled = tuple(reference for reference in cells["response"] if reference.strip())
        choices = tuple(cells["choices"]) if cells["choices"] else None
        task = cells["task"] or self.task or self.path.stem
        return Example(cells["instruction"], filled, choices, task, "", address)


def _cell_problem(cells: Mapping[str, Any], at: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the kind of problem of a table's row, and the reason; `response` is its list of references."""
    instruction, references, choices = cells["instruction"], cells["response"], cells["choices"] or []
    for name, value in (("instruction", instruction), ("response", references)):
        if value is None:
            return "missing column", f"no value in column {at[name]!r}"
    texts = {"instruction": [instruction], "response": references, "choices": choices, "task": [cells["task"] or ""]}
    kind, reason = "", ""
    for name, values in texts.items():
        if not _texts(values):
            return "not text", f"column {at[name]!r} holds something that is not text"
    right = {normalise(reference) for reference in references if reference.strip()}
    if not instruction.strip():
        kind, reason = "empty instruction", f"column {at['instruction']!r} is empty"
    elif not right:
        kind, reason = "empty answer", "no answer holds any text"
    elif choices and right.isdisjoint(normalise(choice) for choice in choices):
        kind, reason = "answer is no choice", "no right answer is among the choices"
    return (kind, reason) if kind else None


@dataclass(frozen=True)
class TemplateSource:
    """A data set with PromptSource templates.

    `data` is a file of rows or a hub data set ("owner/name" or "owner/name/config"); `templates` is the folder of its
    `templates.yaml`. Every row is rendered with every template (only those of the original task if `original`). `rows`
    caps the rows, and `most` the examples (T0 takes at most 500,000).
    """

    data: str
    templates: Path
    split: str = "train"
    rows: int | None = None
    most: int | None = None
    original: bool = False
    task: str = ""

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.task or Path(self.data).name

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; chunks are smaller if there are more templates."""
        located = _located(Path(self.data)) if Path(self.data).is_file() else hub_rows(self.data, self.split)
        templates = max(1, len(_templates(self.templates, self.original)))
        caps = [self.rows, None if self.most is None else self.most // templates]
        return _chunked(
            self.name,
            islice(located, min((cap for cap in caps if cap is not None), default=None)),
            max(200, CHUNK_ROWS // templates),
        )

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Render every row with every template."""
        templates = _templates(self.templates, self.original)
        for address, row in chunk.rows:
            if isinstance(row, BadRow):
                yield Problem(address, "broken row", row.reason)
                continue
            for template in templates:
                name = f"{self.name}/{template.name}"
                try:
                    rendering = template.render(row)
                except InputError as error:
                    yield Problem(address, f"template {template.name!r} does not fit", str(error))
                else:
                    yield rendered_example(rendering, self.name, name, address) if rendering else PassedOver(name)


@lru_cache(maxsize=4)
def _templates(folder: Path, original: bool) -> tuple[Template, ...]:
    """Read a folder's templates, once per process."""
    return tuple(template for template in read_templates(folder) if template.original_task or not original)


@dataclass(frozen=True)
class BigBenchSource:
    """The training part of BIG-Bench tasks, for adapting to those tasks alone.

    Tasks that `folder` lacks come from the data set `hub`, if given.
    """

    folder: Path
    tasks: tuple[str, ...]
    split: str = "train"
    hub: str = ""

    @property
    def name(self) -> str:
        """Always `bigbench`."""
        return "bigbench"

    def chunks(self) -> Iterator[Chunk]:
        """Read task by task."""
        for task in self.tasks:
            rows = find_task(self.folder, task, self.split, self.hub)
            yield from _chunked(f"bigbench-{task}", ((f"{task}:{n}", row) for n, row in enumerate(rows)))

    def examples(self, chunk: Chunk) -> Iterator[Found]:
        """Use the tasks' own inputs and targets."""
        for address, row in chunk.rows:
            references = tuple(reference for reference in row.references if reference)
            if references:
                yield Example(row.instruction, references, None, row.task, row.subtask, address)
            else:
                yield Problem(address, "empty answer", "no target holds any text")


def _located(path: Path) -> Iterator[Located]:
    for number, row in scan_rows(path):
        yield f"{path.name}:{number}", row


def _chunked(name: str, located: Iterable[Located], size: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """Split a stream of rows into numbered chunks, named after the stream."""
    stream, number = iter(located), 0
    while rows := list(islice(stream, size)):
        yield Chunk(f"{name}-{number:05d}", rows)
        number += 1


def _texts(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values)


def _rendered_problem(address: str, row: Any) -> Problem | None:
    """Return what is wrong with a row that should have a template's name, an instruction and a response."""
    if isinstance(row, BadRow):
        return Problem(address, "broken row", row.reason)
    for column in ("template", "instruction", "response"):
        if row.get(column) is None:
            return Problem(address, "missing column", f"no value in column {column!r}")
        if not isinstance(row[column], str):
            return Problem(address, "not text", f"column {column!r} is not text")
    for column, kind in (("instruction", "empty instruction"), ("response", "empty answer")):
        if not row[column].strip():
            return Problem(address, kind, f"column {column!r} is empty")
    return None
