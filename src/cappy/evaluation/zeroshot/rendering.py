"""Render a task's rows as groups: every row under every template that asks the task's own question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cappy.data.negatives import choice_group
from cappy.data.promptsource import Template, read_templates, rendered_example
from cappy.errors import InputError
from cappy.evaluation.zeroshot.tasks import Task
from cappy.evaluation.zeroshot.textlabels import Labels, fitted_labels
from cappy.files.rows import Row
from cappy.group import Group

NO_LABELS = Labels()


@dataclass(frozen=True, slots=True)
class RenderedTask:
    """One template's groups of a task and the number of each group's row; `skipped` says why there are none.

    `lost`: the number of rows that were rendered but gave no group, because choices coincide or none is right. `note`:
    what else a reader of the results must know.
    """

    template: str
    groups: tuple[Group, ...]
    rows: tuple[int, ...] = ()
    skipped: str = ""
    lost: int = 0
    note: str = ""


def task_templates(task: Task, collection: Path | None) -> list[Template]:
    """Return the task's templates: those with answer choices that are original or named by the task.

    A user's own task may give the path of a template folder. If that marks no template as original, all with answer
    choices are used.

    Raises:
        InputError: the templates cannot be read, or none has answer choices.

    """
    own = Path(task.templates)
    if collection is None and task.file is None:
        raise InputError(
            "no folder of PromptSource templates is given; download one with `cappy data fetch promptsource`"
        )
    inside = collection / task.templates if collection is not None else own
    folder = own if task.file is not None and (own / "templates.yaml").is_file() else inside
    found = [template for template in read_templates(folder) if template.answer_choices]
    chosen = [template for template in found if template.original_task]
    if task.template_names:
        chosen = [template for template in found if template.name in task.template_names]
    elif task.file is not None and not chosen:
        chosen = found
    if not chosen:
        raise InputError(f"no template in {task.templates} has answer choices and asks the task's own question")
    return chosen


def render_task(
    templates: Sequence[Template], task: str, rows: Sequence[Row], labels: Labels = NO_LABELS
) -> list[RenderedTask]:
    """Render rows with every template. A template that does not fit the rows has no groups and says why.

    `labels`: the task's labels if they are texts (`cappy.evaluation.zeroshot.textlabels`).
    """
    return [_render(task, template, rows, labels) for template in templates]


def _render(task: str, template: Template, rows: Sequence[Row], labels: Labels) -> RenderedTask:
    groups: list[Group] = []
    numbers: list[int] = []
    lost = 0
    try:
        fitted, note = fitted_labels(template, rows, labels)
        for number, row in enumerate(fitted):
            if row is None:
                lost += 1
                continue
            rendering = template.render(row)
            group = choice_group(rendered_example(rendering, task, template.name)) if rendering else None
            if group:
                groups.append(group)
                numbers.append(number)
            elif rendering:
                lost += 1
    except InputError as error:
        return RenderedTask(template.name, (), (), str(error).rstrip("."))
    if not groups:
        return RenderedTask(template.name, (), (), "no row gives a group of choices with a right one among them")
    return RenderedTask(template.name, tuple(groups), tuple(numbers), lost=lost, note=note)
