"""Build training and development groups from a recipe and a folder of data."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cappy.data.distractors import with_suggested
from cappy.data.negatives import WrongAnswers, choice_group, make_groups
from cappy.data.promptsource import read_templates, rendered_example
from cappy.data.rendered import Rendered, rendered_examples, task_of
from cappy.errors import InputError
from cappy.files.rows import needed_rows, read_rows
from cappy.group import Group
from cappy.text.normalization import normalise
from cappy.training import natural_instructions, open_answers, samples
from cappy.training.extra_sets import FURTHER
from cappy.training.recipes import Further, Recipe, Source
from cappy.training.samples import Sampled, read_samples, sampled_group
from cappy.training.split import fraction

_BLOCK = 10
"""Rows that are held out or kept as a block: templates of a data set render the same rows in the same order, and
neighbouring rows often share a passage."""
_SHARED_COLUMNS = ("paragraph", "passage", "context", "question", "question_stem", "goal")
"""Columns that several rows may share, in order of preference; rows with the same value are on the same side of the
split."""


def build_mixture(recipe: Recipe, folder: Path, seed: int) -> tuple[list[Group], list[Group]]:
    """Build a recipe's groups from `folder`: training groups and held-out development groups.

    All renderings of a row are on the same side of the split. What is held out together depends on the set:

    - sources and further sets: rows with the same passage or question, chosen by a hash of it, so that the split does
      not depend on the number of rows;
    - rendered rows: blocks of ten neighbours, at least one per task if it has several;
    - super_natural_instructions: whole tasks;
    - open answers: all answers to an instruction.

    Held-out groups with the same instruction as a training group are dropped. Only training groups get distractors.

    Raises:
        InputError: a file of the recipe is missing, unreadable or empty.

    """
    training: dict[str, list[Group]] = defaultdict(list)
    development: dict[str, list[Group]] = defaultdict(list)
    sampled = read_samples(needed_rows(folder / "train", recipe.samples.file)) if recipe.samples else {}
    parts = [
        _rendered_groups(recipe, folder, seed, sampled),
        *(_source_groups(one, recipe, folder, seed) for one in recipe.sources),
        *(_further_groups(one, recipe, folder, seed) for one in recipe.further),
        _instruction_groups(recipe, folder, seed, sampled),
        open_answers.answer_groups(folder / "train", recipe.open_answers, seed) if recipe.open_answers else (),
    ]
    for part in parts:
        for held, group in part:
            (development if held else training)[group.task].append(group)
    asked = {_asked(group) for groups in training.values() for group in groups}
    fresh = {task: [one for one in groups if _asked(one) not in asked] for task, groups in development.items()}
    return _suggested(_capped(training, recipe, seed), recipe, seed), _capped(fresh, recipe, seed)


def has_own_texts(group: Group) -> bool:
    """Tell whether a group is from rendered rows or a templated source; further groups are derived only from these."""
    return group.task not in (*FURTHER, natural_instructions.TASK, open_answers.TASK, samples.TASK)


def _suggested(groups: list[Group], recipe: Recipe, seed: int) -> list[Group]:
    """Add distractors, except to sets that have their own and to groups of samples, which are hard already."""
    apart = (natural_instructions.TASK, open_answers.TASK, samples.TASK)
    return [one if one.task in apart else with_suggested([one], recipe.suggested, seed)[0] for one in groups]


def split_groups(groups: Iterable[Group], held_out: float) -> tuple[list[Group], list[Group]]:
    """Split ready-made groups into training and development groups; `held_out` is the share for development.

    The split is by instruction: groups with the same one are on the same side.
    """
    training: list[Group] = []
    development: list[Group] = []
    for group in groups:
        (development if is_held_out(group, held_out) else training).append(group)
    return training, development


def is_held_out(group: Group, share: float) -> bool:
    """Tell whether a ready-made group is among the `share` for development."""
    return fraction(_asked(group)) < share


def _asked(group: Group) -> str:
    return f"{group.task}:{normalise(group.instruction)}"


def _further_groups(further: Further, recipe: Recipe, folder: Path, seed: int) -> Iterator[tuple[bool, Group]]:
    """Make the groups of a further set; negatives never cross the split."""
    file, made = further.file, FURTHER[further.file]
    rows = list(read_rows(needed_rows(folder / "train", file)))
    if further.rows is not None and further.rows < len(rows):
        rows = random.Random(f"{seed}:{file}").sample(rows, further.rows)
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = [], []
    for row in rows:
        sides[fraction(f"{file}:{made.key(row)}") < recipe.held_out].append(row)
    for held, members in zip((False, True), sides, strict=True):
        yield from ((held, group) for group in made.groups(members, f"{seed}:{file}"))


def _instruction_groups(recipe: Recipe, folder: Path, seed: int, sampled: Sampled) -> Iterator[tuple[bool, Group]]:
    plan = recipe.natural_instructions
    if plan:
        rows = list(read_rows(needed_rows(folder / "train", plan.file)))
        yield from natural_instructions.instruction_groups(rows, sampled, plan, seed)


def _rendered_groups(recipe: Recipe, folder: Path, seed: int, sampled: Sampled) -> Iterator[tuple[bool, Group]]:
    """Make the groups of rendered rows, with a second group for every prompt that has samples."""
    for held, group in _lent_groups(recipe, folder, seed):
        yield held, group
        if recipe.samples and group.instruction in sampled:
            yield held, sampled_group(group, sampled[group.instruction], recipe.samples.others)


def _lent_groups(recipe: Recipe, folder: Path, seed: int) -> Iterator[tuple[bool, Group]]:
    path = folder / recipe.rendered
    if not path.exists():
        raise InputError(f"recipe {recipe.name!r} needs {path}, which does not exist.")
    rows = [Rendered(row["template"], row["instruction"], row["response"]) for row in read_rows(path)]
    rows = [row for row in rows if task_of(row.template) not in recipe.left_out]
    placed = list(rendered_examples(rows))
    if not placed:
        raise InputError(f"{path} has no rows for recipe {recipe.name!r}.")
    examples = [example for _, example in placed]
    blocks = [(example.task, place // _BLOCK) for place, example in placed]
    out = _held_out_blocks(blocks, recipe.held_out)
    held = [block in out for block in blocks]
    near = (recipe.wrong - recipe.hard) // 2
    wrong = WrongAnswers(near=near, far=recipe.wrong - recipe.hard - near, hard=recipe.hard)
    # Negatives of held-out groups may come from any row. Held-out answers are never negatives in training.
    kept = [example for example, left in zip(examples, held, strict=True) if not left]
    yield from ((False, group) for _, group in make_groups(kept, wrong, seed))
    yield from ((True, group) for number, group in make_groups(examples, wrong, seed) if held[number])


def _held_out_blocks(blocks: Iterable[tuple[str, int]], share: float) -> set[tuple[str, int]]:
    """Choose a `share` of every task's blocks by hash, at least one if the task has several."""
    by_task: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for block in blocks:
        by_task[block[0]].add(block)
    chosen: set[tuple[str, int]] = set()
    for members in by_task.values():
        ranked = sorted(members, key=lambda block: fraction(f"{block[0]}:{block[1]}"))
        chosen.update(ranked[: max(round(share * len(ranked)), min(1, len(ranked) - 1))])
    return chosen


def _source_groups(source: Source, recipe: Recipe, folder: Path, seed: int) -> Iterator[tuple[bool, Group]]:
    path = needed_rows(folder / "train", source.file)
    templates = read_templates(folder / "promptsource_templates" / source.templates)
    templates = [template for template in templates if template.answer_choices]
    rows = _balanced(list(read_rows(path)), source.rows, random.Random(f"{seed}:{source.file}"))
    for number, row in enumerate(rows):
        held = fraction(f"{source.file}:{_shared_text(row)}") < recipe.held_out
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
                yield held, group
                made += 1
            if made == source.renderings:
                break


def _shared_text(row: Mapping[str, Any]) -> str:
    """Return the text that a row may share with others of its data set, or else all its text."""
    texts = {name: value for name, value in row.items() if isinstance(value, str) and not name.startswith("label")}
    shared = next((texts[name] for name in _SHARED_COLUMNS if name in texts), None)
    return normalise(" ".join(texts[name] for name in sorted(texts)) if shared is None else shared)


def _balanced(rows: list[dict[str, Any]], count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Draw up to `count` rows; with at most four labels, each gets an equal share or all its rows."""
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


def _capped(by_task: dict[str, list[Group]], recipe: Recipe, seed: int) -> list[Group]:
    """Limit each task's groups, separately for real choices and negatives from other rows; shuffle within a task.

    Further sets, super_natural_instructions, samples and open answers have no limit here.
    """
    more = {source.file: source.rows * source.renderings for source in recipe.sources}
    kept: list[Group] = []
    for task in sorted(by_task):
        for lent, cap in ((False, recipe.choice_cap + more.get(task, 0)), (True, recipe.other_cap)):
            groups = [group for group in by_task[task] if has_lent_answers(group) == lent]
            random.Random(f"{seed}:{task}:{lent}").shuffle(groups)
            kept += [one for place, one in enumerate(groups) if place < cap or not has_own_texts(one)]
    return kept


def has_lent_answers(group: Group) -> bool:
    """Tell whether a group has negatives drawn from other rows."""
    return any(candidate.origin == "other" for candidate in group.candidates)


def count_tasks(groups: Iterable[Group]) -> dict[str, int]:
    """Count groups by task."""
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[group.task] += 1
    return dict(sorted(counts.items()))
