"""The texts of a run: read groups, hold some out, and derive further groups from them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cappy.data.contamination import EvaluationTexts, read_evaluation_texts, without_overlaps
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.group import Group
from cappy.training.derived import Made, made_groups
from cappy.training.lots import APART, Lot
from cappy.training.mixture import build_mixture, is_held_out, split_groups
from cappy.training.passages import unshared
from cappy.training.recipes import Recipe
from cappy.training.response_only import with_response_only_negatives

log = logging.getLogger("cappy.training")


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

    def placed(self) -> Iterator[tuple[Lot, Group]]:
        """Yield every group with its lot."""
        sides = ((False, self.training, self.made), (True, self.development, self.made_development))
        for held_out, groups, made in sides:
            yield from ((Lot(held_out), group) for group in groups)
            yield from ((Lot(held_out, one.task), group) for one in made for group in one.groups)


def placed_groups(
    recipe: Recipe, encoder: str, seed: int, *, data: Path | None, groups: Path | None, against: Path | None
) -> Iterator[tuple[Lot, Group]]:
    """Return the groups of a run with their lots: a stream of ready-made `groups` if the recipe allows it.

    Raises:
        InputError: see `read_texts`.

    """
    if groups and streams(recipe):
        return _streamed(groups, recipe.held_out, read_evaluation_texts(against) if against else None)
    return read_texts(recipe, encoder, seed, data=data, groups=groups, against=against).placed()


def streams(recipe: Recipe) -> bool:
    """Tell whether a recipe takes ready-made groups one by one, deriving and borrowing nothing from their texts."""
    return not (recipe.similarity or recipe.statements or recipe.continuations or recipe.response_only_negatives)


def _streamed(path: Path, held_out: float, evaluation: EvaluationTexts | None) -> Iterator[tuple[Lot, Group]]:
    log.info("reading groups from %s", path)
    found, dropped = [0, 0], 0
    for group in read_groups(path):
        held = is_held_out(group, held_out)
        found[held] += 1
        if not held and evaluation and not without_overlaps([group], evaluation):
            dropped += 1
        else:
            yield Lot(held, group.task if held and group.task in APART else ""), group
    _check(*found)
    if evaluation:
        log.info("dropped %d groups that contain an evaluation text", dropped)


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
    return replace(
        held, training=with_response_only_negatives(training, recipe.response_only_negatives, seed), made=made
    )


def held_out_texts(
    training: Sequence[Group], development: Sequence[Group], recipe: Recipe, encoder: str, seed: int
) -> Texts:
    """Return `Texts` with the development groups and groups derived from them, and no training groups.

    Groups are derived only from development groups that share no sentence with `training`, which may hold other
    questions about the same passage.
    """
    kept_out = {task: [one for one in development if one.task == task] for task in APART}
    development = [one for one in development if one.task not in APART]
    fresh = unshared(development, training)
    log.info("%d of %d development groups share no sentence with training groups", len(fresh), len(development))
    made = list(made_groups(fresh, recipe, encoder, seed, recipe.held_out))
    made += [Made(task, groups) for task, groups in kept_out.items()]
    return Texts([], development, [], [one for one in made if one.groups])


def _read(recipe: Recipe, seed: int, data: Path | None, groups: Path | None) -> tuple[list[Group], list[Group]]:
    if groups:
        log.info("reading groups from %s", groups)
        parts = split_groups(read_groups(groups), recipe.held_out)
    elif data:
        log.info("building the groups of recipe %r from %s", recipe.name, data)
        parts = build_mixture(recipe, data, seed)
    else:
        raise InputError("training needs the recipe's data files (--data) or ready-made groups (--groups).")
    _check(*map(len, parts))
    return parts


def _check(training: int, held_out: int) -> None:
    if not (training and held_out):
        raise InputError(f"there are {training} training groups and {held_out} held-out groups; both are needed.")
