"""A whole training run: data, groups, steps, development metrics and the final checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from cappy.calibration.temperature import fit_temperature
from cappy.checkpoint.find import find_encoder
from cappy.checkpoint.save import save_checkpoint, scorer_config
from cappy.errors import InputError
from cappy.files.atomic import write_json
from cappy.layout.encode import Conventions
from cappy.layout.limits import Limits
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.training.batches import TrainingGroup
from cappy.training.card import model_card
from cappy.training.memory import keep_freed_memory
from cappy.training.prepare import TOKENS, Given, prepare, weights_hash
from cappy.training.processes import Processes, started_processes
from cappy.training.recipes import Recipe
from cappy.training.trainer import Budget, Computing, Trainer, same_run
from cappy.training.validation import Model, describe, development_figures, figures, score_training_groups

log = logging.getLogger("cappy.training")

DEVELOPMENT_GROUPS = 1000
"""Development groups measured during training; the final metrics use all of them."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs besides its recipe."""

    data: Path | None
    """Folder of the recipe's data files; not needed with `groups`."""
    output: Path
    encoder: str | None
    """Encoder to start from, which also labels similarity groups; None takes the recipe's."""
    budget: Budget
    seed: int = 0
    threads: int = 0
    against: Path | None = None
    """Folder of evaluation files; groups that contain one of their texts are left out of training."""
    groups: Path | None = None
    """Ready-made labelled groups to train on instead of the recipe's: a file or a built store."""
    start: str | None = None
    """A scorer, or another encoder with the same vocabulary, to take the starting weights from; `encoder` still labels
    similarity groups."""
    learning_rate: float | None = None
    """Peak learning rate; None takes the recipe's, or its `further_learning_rate` with a `start`."""
    batch_tokens: int | None = None
    """Tokens per step; None takes the recipe's."""
    computing: Computing = field(default_factory=Computing)
    only_tokens: bool = False
    """Write the token files and stop; a run with the same options trains on them."""

    def within(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the overrides of these options.

        Raises:
            InputError: the learning rate is not above 0.

        """
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise InputError(f"--learning-rate must be above 0, not {self.learning_rate}.")
        rate = self.learning_rate or (self.start and recipe.further_learning_rate) or recipe.learning_rate
        return replace(
            recipe,
            encoder=self.encoder or recipe.encoder,
            learning_rate=rate,
            batch_tokens=self.batch_tokens or recipe.batch_tokens,
        )


def train(recipe: Recipe, options: RunOptions) -> Path:
    """Train a scorer by a recipe and return its checkpoint folder, `output`/checkpoint (or that of its token files).

    The run's state is kept in `output`; a second call with the same recipe and seed resumes it. Processes started by
    torchrun or accelerate train one model together and must see `output` and the data under the same paths.

    Raises:
        InputError: data is missing, or `output` holds another run.
        CheckpointError: the encoder cannot be read.

    """
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    with started_processes() as processes:
        return _train(options.within(recipe), options, processes)


def _train(recipe: Recipe, options: RunOptions, processes: Processes) -> Path:
    run = {"seed": options.seed, "recipe": asdict(recipe)}
    same_run(options.output, run)  # before hours of encoding
    folder = find_encoder(options.start or recipe.encoder)
    config, spec, weights = starting_weights(folder, options.seed)
    tokenizer = load_tokenizer(folder, spec)
    conventions = Conventions.of(spec, recipe.layout, tokenizer.cls_id, tokenizer.sep_id)
    given = Given(options.data, options.groups, options.against)
    start = weights_hash(folder)

    def check(digest: str) -> None:
        same_run(options.output, {**run, "origin": f"{start} {digest}"})

    encoded = prepare(
        given, recipe, tokenizer, conventions, spec.max_tokens, options.seed, options.output, processes, check
    )
    log.info(
        "%d training groups of %d tokens, %d development groups",
        len(encoded.training),
        encoded.tokens,
        len(encoded.development),
    )
    if options.only_tokens:
        return options.output / TOKENS

    def measure(model: Model) -> dict[str, dict[str, Any]]:
        parts = encoded.made_development.items()
        return {task: development_figures(model, groups, conventions, processes) for task, groups in parts}

    def evaluate(model: Model) -> str:
        some = development_figures(model, encoded.development[:DEVELOPMENT_GROUPS], conventions, processes)
        return _said(some, measure(model))

    origin = f"{start} {encoded.digest}"
    trainer = Trainer(
        spec, weights, recipe, conventions, options.output, options.seed, origin, options.computing, processes
    )
    trainer.run(encoded.training, options.budget, evaluate=evaluate)
    scores = score_training_groups(trainer.model, encoded.development, conventions, processes=processes)
    development, made = figures(encoded.development, scores), measure(trainer.model)
    log.info("final step %d: %s", trainer.progress.step, _said(development, made))
    facts = {**run_facts(recipe, options, encoded.tasks, trainer, development), "made": made}
    settings = {
        "layout": recipe.layout,
        **{name: value for name, value in asdict(Limits.within(spec.max_tokens)).items() if value is not None},
        **_temperature(scores, encoded.development),
        "recipe": recipe.name,
        "seed": options.seed,
    }
    target = options.output / "checkpoint"
    stored = {name: tensor.numpy() for name, tensor in trainer.weights().items()}
    if processes.first:
        card = model_card(options.output.name, facts)
        save_checkpoint(target, scorer_config(config, settings), stored, folder, card)
        write_json(options.output / "run.json", facts)
    processes.wait()
    return target


def _said(development: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join([describe(development), *(f"{task} {describe(found)}" for task, found in made.items())])


def _temperature(scores: Sequence[Any], groups: Sequence[TrainingGroup]) -> dict[str, float]:
    """Return the fitted temperature as a setting, or {} if no group has both a right and a wrong candidate."""
    try:
        return {"temperature": round(fit_temperature(scores, [group.labels for group in groups]), 4)}
    except InputError:
        return {}


def run_facts(
    recipe: Recipe, options: RunOptions, tasks: Mapping[str, int], trainer: Trainer, development: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather the facts of a run for its model card; `tasks` counts its training groups."""
    return {
        "recipe": asdict(recipe),
        "groups_from": str(options.groups) if options.groups else None,
        "encoder": recipe.encoder,
        "parameters": sum(tensor.numel() for tensor in trainer.masters.values()),
        "start": options.start,
        "seed": options.seed,
        "minutes": options.budget.minutes,
        "steps_limit": options.budget.steps,
        "progress": asdict(trainer.progress),
        "processes": trainer.processes.world,
        "parallel": trainer.computing.parallel if trainer.processes.world > 1 else None,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else None,
        "computed_in": str(trainer.dtype).removeprefix("torch."),
        "training_groups": sum(tasks.values()),
        "groups_by_task": dict(tasks),
        "development": dict(development),
    }
