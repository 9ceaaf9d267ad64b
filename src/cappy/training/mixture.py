"""A recipe and a folder of data to training and development groups."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cappy.data.candidates import WrongAnswers, choice_group, make_groups
from cappy.data.promptsource import read_templates, rendered_example
from cappy.data.rendered import Rendered, rendered_examples, task_of
from cappy.data.rows import read_rows
from cappy.data.text import normalise
from cappy.errors import InputError
from cappy.group import Group
from cappy.training.recipes import Recipe, Source

_ENDINGS = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".parquet", ".csv")


def build_mixture(recipe: Recipe, folder: Path, seed: int) -> tuple[list[Group], list[Group]]:
    """Build a recipe's groups from `folder`: training groups and held-out development groups.

    The split is by row, not by rendering: all renderings of a held-out row are held out.

    Raises:
        InputError: a file the recipe names is missing or unreadable.

    """
    parts = [_rendered_groups(recipe, folder, seed)]
    parts += [_source_groups(source, folder, seed) for source in recipe.sources]
    training: dict[str, list[Group]] = defaultdict(list)
    development: dict[str, list[Group]] = defaultdict(list)
    for part in parts:
        for row_key, group in part:
            held = _fraction(row_key) < recipe.held_out
            (development if held else training)[group.task].append(group)
    return _capped(training, recipe, seed), _capped(development, recipe, seed)


def split_groups(groups: Iterable[Group], held_out: float) -> tuple[list[Group], list[Group]]:
    """Part ready-made groups into training and development groups, `held_out` of them for development.

    The instruction decides, so that groups that ask the same are never on both sides.
    """
    training: list[Group] = []
    development: list[Group] = []
    for group in groups:
        held = _fraction(f"{group.task}:{normalise(group.instruction)}") < held_out
        (development if held else training).append(group)
    return training, development


def _fraction(key: str) -> float:
    """Map a row's key to [0, 1), the same on every machine."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def _rendered_groups(recipe: Recipe, folder: Path, seed: int) -> Iterator[tuple[str, Group]]:
    path = folder / recipe.rendered
    if not path.exists():
        raise InputError(f"recipe {recipe.name!r} needs {path}, which does not exist.")
    rows = [Rendered(row["template"], row["instruction"], row["response"]) for row in read_rows(path)]
    rows = [row for row in rows if task_of(row.template) not in recipe.left_out]
    places, examples = zip(*rendered_examples(rows), strict=True)
    near = (recipe.wrong - recipe.hard) // 2
    wrong = WrongAnswers(near=near, far=recipe.wrong - recipe.hard - near, hard=recipe.hard)
    for number, group in make_groups(examples, wrong, seed):
        # Templates of one data set render the same rows in the same order, and neighbouring rows often
        # share a passage: ten rows at a time are held out or kept.
        yield f"{group.task}:{places[number] // 10}", group


def _source_groups(source: Source, folder: Path, seed: int) -> Iterator[tuple[str, Group]]:
    path = _find(folder / "train", source.file)
    templates = read_templates(folder / "promptsource_templates" / source.templates)
    templates = [template for template in templates if template.answer_choices]
    rows = _balanced(list(read_rows(path)), source.rows, random.Random(f"{seed}:{source.file}"))
    for number, row in enumerate(rows):
        draw = random.Random(f"{seed}:{source.file}:{number}")
        made = 0
        for template in draw.sample(templates, len(templates)):
            try:
                rendering = template.render(row)
            except InputError:
                continue  # a template for rows of another label or column
            name = f"{source.file}/{template.name}"
            group = rendering and choice_group(rendered_example(rendering, source.file, name))
            if group:
                passage = next(
                    (str(row[key]) for key in ("paragraph", "passage", "context") if key in row), str(number)
                )
                yield f"{source.file}:{normalise(passage)}", group
                made += 1
            if made == source.renderings:
                break


def _balanced(rows: list[dict[str, Any]], count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Take up to `count` rows at random; of a few labels each gets an equal share, or all it has."""
    draw.shuffle(rows)
    if len(rows) <= count:
        return rows
    labels: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        labels[row.get("label")].append(row)
    if len(labels) > 4:
        return rows[:count]
    kept: list[dict[str, Any]] = []
    for left, members in zip(range(len(labels), 0, -1), sorted(labels.values(), key=len), strict=True):
        kept += members[: (count - len(kept)) // left]
    draw.shuffle(kept)
    return kept


def _find(folder: Path, stem: str) -> Path:
    for ending in _ENDINGS:
        path = folder / f"{stem}{ending}"
        if path.exists():
            return path
    raise InputError(f"the recipe needs {folder / stem} with one of the endings {', '.join(_ENDINGS)}.")


def _capped(by_task: dict[str, list[Group]], recipe: Recipe, seed: int) -> list[Group]:
    """Limit each task's groups, choices and lent answers apart; the order is by task and random within."""
    more = {source.file: source.rows * source.renderings for source in recipe.sources}
    kept: list[Group] = []
    for task in sorted(by_task):
        for lent, cap in ((False, recipe.choice_cap + more.get(task, 0)), (True, recipe.other_cap)):
            groups = [group for group in by_task[task] if has_lent_answers(group) == lent]
            random.Random(f"{seed}:{task}:{lent}").shuffle(groups)
            kept += groups[:cap]
    return kept


def has_lent_answers(group: Group) -> bool:
    """Tell whether a group's wrong answers come from other rows."""
    return any(candidate.origin == "other" for candidate in group.candidates)


def count_tasks(groups: Iterable[Group]) -> dict[str, int]:
    """Count groups by task."""
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[group.task] += 1
    return dict(sorted(counts.items()))
