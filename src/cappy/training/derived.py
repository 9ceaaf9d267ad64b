"""Groups derived from the texts of a recipe's other groups: similarity, statements, continuations."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cappy.checkpoint.find import find_encoder
from cappy.data.distractors import ORIGIN as SUGGESTED
from cappy.group import Group
from cappy.layout.limits import Limits
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training import continuations, similarity, statements
from cappy.training.mixture import has_own_texts
from cappy.training.passages import passages
from cappy.training.recipes import Recipe, Similarity

log = logging.getLogger("cappy.training")


@dataclass(frozen=True, slots=True)
class Made:
    """Groups of one kind."""

    task: str
    groups: list[Group]


def made_groups(groups: Sequence[Group], recipe: Recipe, encoder: str, seed: int, share: float = 1.0) -> Iterator[Made]:
    """Make the derived groups of a recipe, or a `share` of them, from the texts of `groups`.

    Groups whose prompts the recipe writes itself are skipped, as are candidates written by a language model or by a
    distractor rule.
    """
    recipe = _scaled(recipe, share)
    groups = [_written_by_people(group) for group in groups if has_own_texts(group)]
    if recipe.similarity:
        found = _similarity(groups, recipe.similarity, encoder, seed)
        yield _made(similarity.TASK, found)
    wanted = [plan.passages for plan in (recipe.statements, recipe.continuations) if plan]
    all_passages = passages(groups, max(wanted), seed) if wanted else []
    if recipe.statements:
        texts = all_passages[: recipe.statements.passages]
        found = list(statements.statement_groups(groups, texts, recipe.statements, seed))
        yield _made(statements.TASK, found)
    if recipe.continuations:
        texts = all_passages[: recipe.continuations.passages]
        found = list(continuations.continuation_groups(texts, recipe.continuations, seed))
        yield _made(continuations.TASK, found)


def _written_by_people(group: Group) -> Group:
    kept = tuple(one for one in group.candidates if one.origin != SUGGESTED and not one.sampled)
    return replace(group, candidates=kept)


def _scaled(recipe: Recipe, share: float) -> Recipe:
    """Return a recipe that makes a share of the derived groups; the number of phrases stays."""
    plans = {
        name: replace(plan, groups=math.ceil(share * plan.groups))
        for name in ("similarity", "statements", "continuations")
        if (plan := getattr(recipe, name))
    }
    return replace(recipe, **plans)


def pair_limits(instruction_tokens: int, response_tokens: int) -> Limits:
    """Return token limits for training; a pair has four special tokens."""
    return Limits(instruction_tokens + response_tokens + 4, response_tokens, response_limit=response_tokens)


def _made(task: str, groups: list[Group]) -> Made:
    log.info("made %d groups of task %r from the texts of other groups", len(groups), task)
    return Made(task, groups)


def _similarity(groups: Sequence[Group], plan: Similarity, encoder: str, seed: int) -> list[Group]:
    """Label with the recipe's encoder, even if training starts from other weights."""
    folder = find_encoder(encoder)
    _, spec, weights = starting_weights(folder, seed)
    tokenizer = load_tokenizer(folder, spec)
    return similarity.similarity_groups(groups, plan, Encoder(spec, weights), tokenizer, seed)
