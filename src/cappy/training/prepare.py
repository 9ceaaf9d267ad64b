"""Training data of a run: read groups, hold some out, derive further groups, and encode them all."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cappy.data.contamination import read_evaluation_texts, without_overlaps
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.group import Group
from cappy.layout.encode import Conventions
from cappy.layout.limits import Limits
from cappy.layout.tokenizer import TextTokenizer
from cappy.training import natural_instructions, open_answers
from cappy.training.batches import TrainingGroup, encode_groups, single_pairs
from cappy.training.derived import Made, made_groups, pair_limits
from cappy.training.mixture import build_mixture, split_groups
from cappy.training.passages import unshared
from cappy.training.recipes import Recipe
from cappy.training.response_only import with_response_only_negatives

log = logging.getLogger("cappy.training")
ALL = 10**6
"""No limit on candidates, for development groups and groups whose candidates were designed."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Training groups and held-out groups; `made` and `made_development` are derived from the texts of each.

    `made_development` also has the held-out tasks of super_natural_instructions and answers to held-out open
    instructions, because they are measured separately.
    """

    training: list[Group]
    development: list[Group]
    made: list[Made]
    made_development: list[Made]

    def all_training(self) -> list[Group]:
        """Return all training groups, including derived ones."""
        return [*self.training, *(group for made in self.made for group in made.groups)]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The same as token ids; `made_development` by task."""

    training: list[TrainingGroup]
    development: list[TrainingGroup]
    made_development: dict[str, list[TrainingGroup]]


def read_texts(
    recipe: Recipe, encoder: str, seed: int, *, data: Path | None, groups: Path | None, against: Path | None
) -> Texts:
    """Read `groups`, or the recipe's groups from the folder `data`, and derive further groups from their texts.

    Training groups that contain a text of an evaluation file in the folder `against` are dropped. Derived groups are
    checked too, because rewriting makes new texts. `encoder` labels similarity groups.

    Raises:
        InputError: neither `groups` nor `data` is given, or the training or the hold-out set is empty.

    """
    training, development = _read(recipe, seed, data, groups)
    evaluation = read_evaluation_texts(against) if against else None
    if evaluation:
        found = len(training)
        training = without_overlaps(training, evaluation)
        log.info("dropped %d groups that contain a text of %s", found - len(training), against)
    made = list(made_groups(training, recipe, encoder, seed))
    if evaluation:
        made = [replace(one, groups=without_overlaps(one.groups, evaluation)) for one in made]
    held = held_out_texts(training, development, recipe, encoder, seed)
    return replace(held, training=training, made=made)


def held_out_texts(
    training: Sequence[Group], development: Sequence[Group], recipe: Recipe, encoder: str, seed: int
) -> Texts:
    """Return `Texts` with the shuffled development groups and groups derived from them, and no training groups.

    Groups are derived only from development groups that share no sentence with `training`, which may hold other
    questions about the same passage.
    """
    apart = (natural_instructions.TASK, open_answers.TASK)
    kept_out = {task: [one for one in development if one.task == task] for task in apart}
    development = [one for one in development if one.task not in apart]
    fresh = unshared(development, training)
    log.info("%d of %d development groups share no sentence with training groups", len(fresh), len(development))
    made = list(made_groups(fresh, recipe, encoder, seed, recipe.held_out))
    made += [Made(task, groups, task_limits(recipe, task)) for task, groups in kept_out.items()]
    shuffled = random.Random(seed).sample(development, len(development))
    return Texts([], shuffled, [], [one for one in made if one.groups])


def encode_texts(
    texts: Texts, recipe: Recipe, tokenizer: TextTokenizer, conventions: Conventions, longest: int, seed: int
) -> Encoded:
    """Encode groups with the recipe's layouts, limits, candidate counts and response-only negatives.

    No pair exceeds `longest`, the encoder's maximum number of tokens.
    """
    limits = task_limits(recipe)
    joint = replace(conventions, layout="joint")
    draw = random.Random(f"{seed}:joint")
    parts: dict[str, list[Group]] = {"shared": [], "joint": [], open_answers.TASK: []}
    for group in with_response_only_negatives(texts.training, recipe.response_only_negatives, seed):
        layout = "joint" if draw.random() < recipe.joint else "shared"
        parts[group.task if group.task in parts else layout].append(group)

    log.info("encoding %d groups", len(texts.training) + sum(len(made.groups) for made in texts.made))

    def encode(
        groups: Sequence[Group], layout: Conventions, limits: Limits, most: int, short: int = 0
    ) -> list[TrainingGroup]:
        within = replace(limits, max_tokens=min(limits.max_tokens, longest))
        return encode_groups(groups, tokenizer, layout, within, most, seed, short)

    training = encode(parts["shared"], conventions, limits, recipe.candidates, recipe.short_words)
    training += encode(parts["joint"], joint, limits, recipe.candidates, recipe.short_words)
    training += encode(parts[open_answers.TASK], conventions, task_limits(recipe, open_answers.TASK), ALL)
    for made in texts.made:
        training += encode(made.groups, conventions, made.limits, ALL)
    made_development = {
        made.task: encode(made.groups, conventions, made.limits, ALL) for made in texts.made_development
    }
    if recipe.batch_pairs and recipe.layout == "joint":
        training = single_pairs(training)
    return Encoded(training, encode(texts.development, conventions, limits, ALL), made_development)


def task_limits(recipe: Recipe, task: str = "") -> Limits:
    """Return the token limits of a task's groups in training; open answers get longer ones."""
    plan = recipe.open_answers if task == open_answers.TASK else None
    if plan:
        limits = pair_limits(plan.instruction_tokens, plan.response_tokens)
        return replace(limits, response_limit=plan.longest_response)
    return pair_limits(recipe.instruction_tokens, recipe.response_tokens)


def _read(recipe: Recipe, seed: int, data: Path | None, groups: Path | None) -> tuple[list[Group], list[Group]]:
    if groups:
        log.info("reading groups from %s", groups)
        parts = split_groups(read_groups(groups), recipe.held_out)
    elif data:
        log.info("building the groups of recipe %r from %s", recipe.name, data)
        parts = build_mixture(recipe, data, seed)
    else:
        raise InputError("training needs the recipe's data files (--data) or ready-made groups (--groups).")
    if not all(parts):
        raise InputError(
            f"there are {len(parts[0])} training groups and {len(parts[1])} held-out groups; both are needed."
        )
    return parts
