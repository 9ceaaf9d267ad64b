"""Zero-shot evaluation: score a task's rows under all its templates and save the predictions.

As in T0 (Sanh et al., 2022, arXiv 2110.08207, section 6.1), every template is measured and none is selected.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cappy.data.promptsource import Template
from cappy.errors import InputError
from cappy.evaluation.zeroshot.predictions import Prediction, TaskPredictions, as_json, from_json, rounded
from cappy.evaluation.zeroshot.rendering import RenderedTask, render_task, task_templates
from cappy.evaluation.zeroshot.runfolder import RunFolder, hash_of
from cappy.evaluation.zeroshot.systems import System
from cappy.evaluation.zeroshot.taskrows import reason, task_rows
from cappy.evaluation.zeroshot.tasks import Task
from cappy.evaluation.zeroshot.textlabels import Labels
from cappy.files.journal import open_journal
from cappy.files.progress import progress_bar
from cappy.files.rows import Row
from cappy.group import Group


@dataclass(frozen=True, slots=True)
class Questions:
    """Where the rows of tasks are, and how many are used.

    `data`: a folder of rows. `templates`: a PromptSource collection. `hub`: download what the folder lacks from the
    Hugging Face hub. `limit`: rows of each task, drawn at random by `seed`; None uses all.
    """

    data: Path | None
    templates: Path | None
    hub: bool = False
    limit: int | None = None
    seed: int = 0

    def draw(self) -> dict[str, Any]:
        """Return the settings that determine which rows are drawn."""
        return {"rows": self.limit, "seed": self.seed}


def open_run(path: Path, system: System, questions: Questions) -> RunFolder:
    """Open the folder of a system's predictions.

    Raises:
        InputError: it holds predictions of another system or with other settings.

    """
    return RunFolder(path, system.name, system.temperatures, {**system.identity, **questions.draw()})


def draw_rows(rows: Sequence[Row], task: str, limit: int | None, seed: int) -> list[Row]:
    """Draw `limit` rows without replacement, determined by task and seed; all rows if there are no more."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return random.Random(f"{seed}:{task}").sample(list(rows), limit)


def evaluate_task(
    task: Task, questions: Questions, system: System, folder: RunFolder | None = None, progress: bool = False
) -> TaskPredictions:
    """Return the predictions for a task, or none with a note if it cannot be evaluated.

    With a `folder`, predictions are saved as they are made: an interrupted run resumes, and a finished task is read
    from there. `progress` shows a bar on standard error.

    Raises:
        InputError: the system cannot score a group, or the folder cannot be written.

    """
    try:
        known_rows = task_rows(task, questions.data, questions.hub)
        templates = task_templates(task, questions.templates)
    except InputError as error:
        return _unasked(TaskPredictions(task.name, 0, notes=(reason(error),)), folder)
    rows = draw_rows(known_rows, task.name, questions.limit, questions.seed)
    labels = Labels() if task.label_values else Labels.of(known_rows)
    key = hash_of([rows, [_text_of(template) for template in templates], *([asdict(labels)] if labels.texts else [])])
    done = folder.finished(task.name, key) if folder else None
    if done is not None:
        return done
    rendered = render_task(templates, task.name, rows, labels)
    notes = (
        *dict.fromkeys(part.note for part in rendered if part.note),
        *(f"template {part.template!r} skipped: {part.skipped}" for part in rendered if not part.groups),
        *(
            f"template {part.template!r} skips {part.lost} of {len(rows)} rows, whose choices do not contain the "
            "right answer exactly once"
            for part in rendered
            if part.groups and part.lost
        ),
    )
    used = [part for part in rendered if part.groups]
    if not used:
        return _unasked(TaskPredictions(task.name, len(rows), (), notes, key), folder)
    if folder is None:
        made: list[Prediction] = []
        _predict(system, used, 0, made.extend, progress)
        return TaskPredictions(task.name, len(rows), tuple(made), notes, key)
    with open_journal(folder.file(task.name), {"settings": folder.hash, "task": task.name, "key": key}) as journal:
        _predict(system, used, journal.done, lambda part: journal.append([as_json(item) for item in part]), progress)
        found = TaskPredictions(task.name, len(rows), tuple(map(from_json, journal.outcomes())), notes, key)
        folder.save(found)
    return found


def _unasked(task: TaskPredictions, folder: RunFolder | None) -> TaskPredictions:
    """Note in the folder why a task was not evaluated, but never replace predictions, which took hours."""
    if folder and not folder.has(task.task):
        folder.save(task)
    return task


def _text_of(template: Template) -> dict[str, Any]:
    return {key: value for key, value in asdict(template).items() if isinstance(value, (str, bool, type(None)))}


def _predict(
    system: System, parts: Sequence[RenderedTask], done: int, keep: Callable[[list[Prediction]], None], progress: bool
) -> None:
    """Score templates in order, skip the first `done` groups, and pass predictions to `keep` in chunks."""
    total = sum(len(part.groups) for part in parts)
    title = parts[0].groups[0].task
    with progress_bar(title, total) if progress else nullcontext(lambda _: None) as advance:
        advance(done)
        for part in parts:
            if done >= len(part.groups):
                done -= len(part.groups)
                continue
            score = system.prepare(part.groups)
            for start in range(done, len(part.groups), system.chunk):
                chunk = slice(start, start + system.chunk)
                groups, rows = part.groups[chunk], part.rows[chunk]
                scores = score(groups)
                by_group = [{rule: values[place] for rule, values in scores.items()} for place in range(len(groups))]
                keep([_prediction(part.template, *item) for item in zip(rows, groups, by_group, strict=True)])
                advance(len(groups))
            done = 0


def _prediction(template: str, row: int, group: Group, scores: Mapping[str, Sequence[float]]) -> Prediction:
    texts = [candidate.text for candidate in group.candidates]
    right = tuple(place for place, candidate in enumerate(group.candidates) if candidate.is_right)
    kept = {rule: rounded(values) for rule, values in scores.items()}
    best = {rule: texts[max(range(len(values)), key=values.__getitem__)] for rule, values in kept.items()}
    return Prediction(template, row, right, kept, best, texts[right[0]])
