"""Encoding the groups of a run into token files, chunk by chunk."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cappy.files.atomic import atomic_folder
from cappy.group import Group
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import TextTokenizer
from cappy.training import open_answers
from cappy.training.batches import CHUNK, TrainingGroup, encode_groups, single_pairs
from cappy.training.lots import DEVELOPMENT, TRAINING, Lot, task_limits
from cappy.training.recipes import Recipe
from cappy.training.tokens import TokenGroups, TokenWriter, read_manifest

ALL = 10**6
"""No limit on candidates, for development groups and groups whose candidates were designed."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The groups of a run as token ids; `made_development` by task.

    `tasks`: training groups by task, before joint groups are split into pairs. `tokens`: of all training groups.
    `digest` identifies the content.
    """

    training: TokenGroups
    development: TokenGroups
    made_development: dict[str, TokenGroups]
    tasks: dict[str, int]
    tokens: int
    digest: str

    @classmethod
    def read(cls, folder: Path) -> Encoded:
        """Map finished token files."""
        manifest = read_manifest(folder)
        sets = {name: TokenGroups(folder, name) for name in manifest["sets"]}
        training, development = sets.pop(TRAINING), sets.pop(DEVELOPMENT)
        return cls(
            training, development, sets, manifest["groups_by_task"], manifest["training_tokens"], manifest["digest"]
        )


def encode_texts(
    placed: Iterable[tuple[Lot, Group]],
    recipe: Recipe,
    tokenizer: TextTokenizer,
    conventions: Conventions,
    longest: int,
    seed: int,
    folder: Path,
    origin: Mapping[str, Any] | None = None,
    check: Callable[[str], object] = bool,
) -> Encoded:
    """Encode groups with the recipe's layouts, limits and candidate counts into token files in `folder`.

    No pair exceeds `longest`, the encoder's maximum number of tokens. Development groups are shuffled. `origin` goes
    into the manifest. `check` gets the digest before older files are replaced, which an exception prevents.
    """
    tasks: Counter[str] = Counter()
    tokens = 0
    numbers: dict[Lot, int] = {}
    with atomic_folder(folder) as beside, TokenWriter(beside, tokenizer.largest_id, longest) as writer:
        for lot, chunk in _chunks(placed, recipe, seed):
            groups = _encode(lot, chunk, recipe, tokenizer, conventions, longest, seed)
            writer.add(numbers.setdefault(lot, len(numbers)), groups)
            if not lot.held_out:
                tasks.update(group.task for group in chunk)
                tokens += sum(group.encoded.tokens for group in groups)
        check(writer.digest)
        sets: dict[str, list[int]] = {TRAINING: [], DEVELOPMENT: []}
        for lot in sorted(numbers, key=lambda one: one.order):
            sets.setdefault(lot.set, []).append(numbers[lot])
        facts = {"origin": origin or {}, "groups_by_task": dict(sorted(tasks.items())), "training_tokens": tokens}
        writer.finish(sets, facts, {number: _shuffled(writer.counts[number], seed) for number in sets[DEVELOPMENT]})
    return Encoded.read(folder)


def _chunks(placed: Iterable[tuple[Lot, Group]], recipe: Recipe, seed: int) -> Iterator[tuple[Lot, list[Group]]]:
    """Collect groups of the same lot, and draw the layout of training groups that are not derived."""
    draw = random.Random(f"{seed}:joint")
    waiting: dict[Lot, list[Group]] = defaultdict(list)
    for place, group in placed:
        lot = place
        if lot == Lot(held_out=False):
            joint = draw.random() < recipe.joint
            lot = Lot(False, open_answers.TASK) if group.task == open_answers.TASK else Lot(False, joint=joint)
        waiting[lot].append(group)
        if len(waiting[lot]) == CHUNK:
            yield lot, waiting.pop(lot)
    yield from waiting.items()


def _encode(
    lot: Lot,
    groups: list[Group],
    recipe: Recipe,
    tokenizer: TextTokenizer,
    conventions: Conventions,
    longest: int,
    seed: int,
) -> list[TrainingGroup]:
    limits = task_limits(recipe, lot.task)
    limits = replace(limits, max_tokens=min(limits.max_tokens, longest))
    layout = replace(conventions, layout="joint") if lot.joint else conventions
    limited = not lot.held_out and not lot.task
    most, short_words = (recipe.candidates, recipe.short_words) if limited else (ALL, 0)
    encoded = encode_groups(groups, tokenizer, layout, limits, most, seed, short_words)
    as_pairs = not lot.held_out and recipe.batch_pairs and recipe.layout == "joint"
    return single_pairs(encoded) if as_pairs else encoded


def _shuffled(count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(count), count)
