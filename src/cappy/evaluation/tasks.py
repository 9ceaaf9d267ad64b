"""The held-out classification tasks: their rows, and the PromptSource templates that render them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cappy.data.candidates import choice_group
from cappy.data.promptsource import Template, read_templates, rendered_example
from cappy.data.rows import Row, read_rows
from cappy.errors import InputError
from cappy.group import Group

ENDINGS = (".jsonl.gz", ".jsonl", ".jsonl.zst", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Task:
    """A task: the stem of its rows file in an evaluation folder, and its template folder."""

    name: str
    file: str
    templates: str


TASKS = (
    Task("ANLI R1", "anli__dev_r1", "anli"),
    Task("ANLI R2", "anli__dev_r2", "anli"),
    Task("ANLI R3", "anli__dev_r3", "anli"),
    Task("CB", "super_glue__cb", "super_glue/cb"),
    Task("RTE", "super_glue__rte", "super_glue/rte"),
    Task("WinoGrande", "winogrande__winogrande_xl", "winogrande/winogrande_xl"),
    Task("HellaSwag", "hellaswag", "hellaswag"),
    Task("SST-2", "sst2_test", "glue/sst2"),
    Task("banking77", "banking77", "banking77"),
)


@dataclass(frozen=True, slots=True)
class RenderedTask:
    """One template's groups of a task; `skipped` says why there are none."""

    template: str
    groups: tuple[Group, ...]
    skipped: str = ""


def find_tasks(names: Sequence[str]) -> list[Task]:
    """Return the tasks of these names (case aside), all if none is named.

    Raises:
        InputError: a name is unknown.

    """
    known = {task.name.casefold(): task for task in TASKS}
    unknown = [name for name in names if name.casefold() not in known]
    if unknown:
        raise InputError(f"task {unknown[0]!r} is unknown; the tasks are {', '.join(t.name for t in TASKS)}.")
    return [known[name.casefold()] for name in names] or list(TASKS)


def task_rows(task: Task, folder: Path) -> list[Row] | None:
    """Read a task's rows from `folder`, with string labels numbered; None where the file is not there."""
    for ending in ENDINGS:
        path = folder / f"{task.file}{ending}"
        if path.exists():
            return _numbered_labels(list(read_rows(path)))
    return None


def _numbered_labels(rows: list[Row]) -> list[Row]:
    """Replace string labels by their number in case-folded order, which is how Hugging Face numbers them."""
    labels = {row["label"] for row in rows if isinstance(row.get("label"), str)}
    if not labels:
        return rows
    number = {label: place for place, label in enumerate(sorted(labels, key=str.casefold))}
    return [{**row, "label": number[row["label"]]} for row in rows]


def render_task(task: Task, rows: Sequence[Row], templates: Path) -> list[RenderedTask]:
    """Render rows with every original-task template of the task that has answer choices."""
    usable = [t for t in read_templates(templates / task.templates) if t.original_task and t.answer_choices]
    return [_render(task, template, rows) for template in usable]


def _render(task: Task, template: Template, rows: Sequence[Row]) -> RenderedTask:
    groups: list[Group] = []
    try:
        for row in rows:
            rendering = template.render(row)
            group = choice_group(rendered_example(rendering, task.name, template.name)) if rendering else None
            if group:
                groups.append(group)
    except InputError as error:
        return RenderedTask(template.name, (), str(error))
    if not groups:
        return RenderedTask(template.name, (), "no row gives a group of choices with a right one among them")
    return RenderedTask(template.name, tuple(groups))
