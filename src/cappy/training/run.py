"""A whole training run: data, groups, steps, development figures, and the checkpoint at the end."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cappy.checkpoint.find import find_encoder
from cappy.checkpoint.save import save_checkpoint, scorer_config
from cappy.checkpoint.tokenizer import load_tokenizer
from cappy.data.contamination import read_evaluation_texts, without_overlaps
from cappy.data.store import read_groups
from cappy.errors import InputError
from cappy.files import sha256, write_json
from cappy.group import Group
from cappy.layout import Conventions, Limits
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import TrainingGroup, encode_groups
from cappy.training.card import model_card
from cappy.training.made import made_groups, pair_limits
from cappy.training.memory import keep_freed_memory
from cappy.training.mixture import build_mixture, count_tasks, split_groups
from cappy.training.recipes import Recipe
from cappy.training.trainer import Budget, Trainer, accuracy_by_task, score_training_groups

log = logging.getLogger("cappy.training")

DEVELOPMENT_GROUPS = 1000
"""Development groups looked at during training; the end is measured on all of them."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs beside its recipe."""

    data: Path | None
    """Folder of the recipe's data files; not needed where `groups` are given."""
    output: Path
    encoder: str
    budget: Budget
    seed: int = 0
    threads: int = 0
    against: Path | None = None
    """Folder of evaluation files; groups that hold a text of theirs are not trained on."""
    groups: Path | None = None
    """Ready-made labelled groups to train on instead of the recipe's: a file, or a store that was built."""
    start: str | None = None
    """A scorer, or another encoder of the same vocabulary, whose weights training goes on from; the labels of
    similarity groups still come from `encoder`."""


def train(recipe: Recipe, options: RunOptions) -> Path:
    """Train a scorer by a recipe and return its checkpoint folder, `output`/checkpoint.

    The run's state is kept in `output`; calling again with the same recipe and seed resumes it.

    Raises:
        InputError: data is missing, or `output` holds another run.
        CheckpointError: the encoder cannot be read.

    """
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = find_encoder(options.start or options.encoder)
    config, spec, weights = starting_weights(folder, options.seed)
    training, development = gather_groups(recipe, options)
    evaluation = read_evaluation_texts(options.against) if options.against else None
    if evaluation:
        found = len(training)
        training = without_overlaps(training, evaluation)
        log.info("%d groups left out for a text of %s", found - len(training), options.against)
    random.Random(options.seed).shuffle(development)
    tokenizer = load_tokenizer(folder, spec.family)
    conventions = Conventions.of(spec, "shared", tokenizer.cls_id, tokenizer.sep_id)
    limits = pair_limits(recipe.instruction_tokens, recipe.response_tokens)
    joined = list(training)
    encoded = encode_groups(
        training, tokenizer, conventions, limits, recipe.candidates, options.seed, recipe.short_words
    )
    unseen: dict[str, list[TrainingGroup]] = {}
    for made in made_groups(training, recipe, options.encoder, options.seed):
        # Rewriting makes new texts: they are checked like the others.
        learnt = without_overlaps(made.groups, evaluation) if evaluation else made.groups
        encoded += encode_groups(learnt, tokenizer, conventions, made.limits, 10**6, options.seed)
        joined += learnt
    for made in made_groups(development, recipe, options.encoder, options.seed, recipe.held_out):
        unseen[made.task] = encode_groups(made.groups, tokenizer, conventions, made.limits, 10**6, options.seed)
    held_out = encode_groups(development, tokenizer, conventions, limits, 10**6, options.seed)
    tokens = sum(group.encoded.tokens for group in encoded)
    log.info("%d training groups of %d tokens, %d development groups", len(encoded), tokens, len(held_out))

    def evaluate(model: Encoder) -> str:
        said = describe(development_figures(model, held_out[:DEVELOPMENT_GROUPS], conventions))
        parts = [
            f"{task} {describe(development_figures(model, groups, conventions))}"
            for task, groups in unseen.items()
            if groups
        ]
        return "; ".join([said, *parts])

    origin = f"{sha256(folder / 'model.safetensors')} {len(encoded)} groups {tokens} tokens"
    trainer = Trainer(spec, weights, recipe, conventions, options.output, options.seed, origin)
    trainer.run(encoded, options.budget, evaluate=evaluate)
    figures = development_figures(trainer.model, held_out, conventions)
    facts = run_facts(recipe, options, joined, trainer, figures)
    facts["made"] = {
        task: development_figures(trainer.model, groups, conventions) for task, groups in unseen.items() if groups
    }
    settings = {
        "layout": "shared",
        **asdict(Limits.within(spec.max_tokens)),
        "recipe": recipe.name,
        "seed": options.seed,
    }
    target = options.output / "checkpoint"
    stored = {name: tensor.detach().cpu().numpy() for name, tensor in trainer.masters.items()}
    card = model_card(options.output.name, facts)
    save_checkpoint(target, scorer_config(config, settings), stored, folder, card)
    write_json(options.output / "run.json", facts)
    return target


def gather_groups(recipe: Recipe, options: RunOptions) -> tuple[list[Group], list[Group]]:
    """Return training and development groups: those given, or the recipe's.

    Raises:
        InputError: neither groups nor a data folder are given, or there is nothing to train on or to hold out.

    """
    if options.groups:
        log.info("reading groups from %s", options.groups)
        parts = split_groups(read_groups(options.groups), recipe.held_out)
    elif options.data:
        log.info("building the groups of recipe %r from %s", recipe.name, options.data)
        parts = build_mixture(recipe, options.data, options.seed)
    else:
        raise InputError("training needs the recipe's data files (--data) or ready-made groups (--groups).")
    if not all(parts):
        raise InputError(f"there are {len(parts[0])} groups to train on and {len(parts[1])} held out; both are needed.")
    return parts


def development_figures(model: Encoder, groups: Sequence[TrainingGroup], conventions: Conventions) -> dict[str, Any]:
    """Measure accuracy over all groups, its mean over tasks, and the mean squared error."""
    scores = score_training_groups(model, groups, conventions)
    by_task = accuracy_by_task(groups, scores)
    hits = [group.labels[int(np.argmax(values))] > 0.5 for group, values in zip(groups, scores, strict=True)]
    errors = [np.mean((group.labels - values) ** 2) for group, values in zip(groups, scores, strict=True)]
    figures = {
        "groups": len(groups),
        "accuracy": float(np.mean(hits)),
        "mean_over_tasks": float(np.mean(list(by_task.values()))),
    }
    return {**figures, "squared_error": float(np.mean(errors)), "by_task": by_task}


def describe(figures: Mapping[str, Any]) -> str:
    """Say development figures on one line."""
    return (
        f"development accuracy {figures['accuracy']:.4f} on {figures['groups']} groups, "
        f"{figures['mean_over_tasks']:.4f} on average over tasks, squared error {figures['squared_error']:.4f}"
    )


def run_facts(
    recipe: Recipe, options: RunOptions, groups: Sequence[Group], trainer: Trainer, figures: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather what a model card tells about a run."""
    return {
        "recipe": asdict(recipe),
        "groups_from": str(options.groups) if options.groups else None,
        "encoder": options.encoder,
        "start": options.start,
        "seed": options.seed,
        "minutes": options.budget.minutes,
        "steps_limit": options.budget.steps,
        "progress": asdict(trainer.progress),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "computed_in": str(trainer.dtype).removeprefix("torch."),
        "training_groups": len(groups),
        "groups_by_task": count_tasks(groups),
        "development": dict(figures),
    }
