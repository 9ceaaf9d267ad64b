"""The trainer: AdamW over token-budget batches, with checkpoints that resume where a run was stopped.

The master weights stay in float32; where the processor has bfloat16 arithmetic, forward and backward
run on a bfloat16 copy, which is about twice as fast on a CPU.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cappy.encoders.spec import EncoderSpec
from cappy.errors import InputError
from cappy.files.atomic import atomic_folder
from cappy.layout.encode import Conventions
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import TrainingGroup, endless_batches, pack_training
from cappy.training.losses import training_loss
from cappy.training.optimizer import make_optimizer, move_masters, training_dtype
from cappy.training.recipes import Recipe

log = logging.getLogger("cappy.training")


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends: after `steps` steps or `minutes` of computing, whichever comes first."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse a run without an end, or with none of either."""
        if self.steps is None and self.minutes is None:
            raise InputError("training needs an end: give --steps or --minutes.")
        if any(end is not None and end <= 0 for end in (self.steps, self.minutes)):
            raise InputError("--steps and --minutes are above 0.")

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the run is done, in [0, 1]."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return min(1.0, max(shares))


@dataclass(slots=True)
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    tokens: int = 0


def learning_rate(progress: float, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine down to `recipe.final_lr_ratio` of the peak."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress, 1e-3) / recipe.warmup
    after = (progress - recipe.warmup) / (1 - recipe.warmup)
    fall = 0.5 * (1 + math.cos(math.pi * after))
    return recipe.learning_rate * (recipe.final_lr_ratio + (1 - recipe.final_lr_ratio) * fall)


class Trainer:
    """One training run, kept in `folder`: its latest state, so that it can be resumed."""

    def __init__(
        self,
        spec: EncoderSpec,
        weights: Mapping[str, Tensor],
        recipe: Recipe,
        conventions: Conventions,
        folder: Path,
        seed: int,
        origin: str = "",
    ) -> None:
        """Prepare a run from `weights`; a state already in `folder` is resumed.

        `origin` identifies encoder and data: a state of another origin is not resumed.
        """
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe, self.conventions, self.folder, self.seed = recipe, conventions, folder, seed
        self.dtype = training_dtype(self.device)
        self.identity = {"seed": seed, "recipe": asdict(recipe), "origin": origin}
        masters = {name: weights[name].to(self.device, torch.float32).clone() for name in spec.shapes()}
        self.masters = {name: tensor.requires_grad_() for name, tensor in masters.items()}
        self.model = Encoder(spec, {name: t.detach().to(self.dtype).clone() for name, t in masters.items()})
        self.model.to(self.device)
        self.optimizer = make_optimizer(masters, recipe.learning_rate, recipe.weight_decay)
        self.progress = Progress()
        self._updating = False
        if (folder / "state").exists():
            self._resume()

    def run(
        self,
        groups: Sequence[TrainingGroup],
        budget: Budget,
        save_every: float = 300.0,
        evaluate: Callable[[Encoder], str] | None = None,
        evaluate_every: float = 900.0,
    ) -> None:
        """Train until the budget is spent; saves every `save_every` seconds and at the end or an interruption."""
        if not groups:
            raise InputError("there are no groups to train on.")
        state = self.progress
        stream = endless_batches(groups, self.recipe.batch_tokens, self.seed, state.epoch, state.batch)
        saved = evaluated = time.monotonic()
        losses: list[float] = []
        try:
            while budget.progress(state.step, state.seconds) < 1:
                begun = time.monotonic()
                epoch, number, indices = next(stream)
                rate = learning_rate(budget.progress(state.step, state.seconds), self.recipe)
                loss, tokens = self._step([groups[i] for i in indices], rate)
                losses.append(loss)
                state.step, state.epoch, state.batch = state.step + 1, epoch, number
                state.tokens += tokens
                self._updating = False
                now = time.monotonic()
                state.seconds += now - begun
                if state.step % 25 == 0:
                    self._report(losses, rate, budget)
                    losses.clear()
                if now - saved > save_every:
                    self.save()
                    saved = now
                if evaluate and now - evaluated > evaluate_every:
                    log.info("step %d: %s", state.step, evaluate(self.model))
                    evaluated = time.monotonic()
        finally:
            if not self._updating:  # stopped amid an update, the state before the last save is the one that counts
                self.save()

    def _report(self, losses: Sequence[float], rate: float, budget: Budget) -> None:
        state = self.progress
        done = budget.progress(state.step, state.seconds)
        left = state.seconds * (1 - done) / max(done, 1e-6) / 60
        speed = state.tokens / max(state.seconds, 1e-6)
        message = "step %d  epoch %d  loss %.4f  lr %.2e  %.0f tokens/s  %.0f%% done, %.0f min left"
        log.info(message, state.step, state.epoch, float(np.mean(losses)), rate, speed, 100 * done, left)

    def _step(self, groups: Sequence[TrainingGroup], rate: float) -> tuple[float, int]:
        """Make one optimisation step; return its loss and number of tokens."""
        batch, label_array, number_array = pack_training(groups, self.conventions)
        labels, numbers = torch.from_numpy(label_array), torch.from_numpy(number_array)
        self.model.dropout = self.recipe.dropout
        if self.recipe.dropout:  # what is dropped follows from the seed and the step: a resumed run goes on alike
            torch.manual_seed((self.seed << 32) + self.progress.step)
        scores = self.model(batch).float().cpu()
        self.model.dropout = 0.0
        recipe = self.recipe
        loss = training_loss(
            scores,
            labels,
            numbers,
            len(groups),
            listwise=recipe.listwise,
            pairwise=recipe.pairwise,
            temperature=recipe.temperature,
            **self._graded(groups),
        )
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._update(rate)
        return float(loss.detach()), batch.tokens

    def _graded(self, groups: Sequence[TrainingGroup]) -> dict[str, Any]:
        """Return what the loss needs of graded groups; nothing where the recipe treats all groups alike."""
        weight = self.recipe.graded_listwise
        if weight is None:
            return {}
        return {"graded": torch.tensor([group.graded for group in groups]), "graded_listwise": weight}

    def _update(self, rate: float) -> None:
        """Move the masters by the gradients of the working copy, and copy them back."""
        self._updating = True
        move_masters(self.model, self.masters, self.optimizer, rate)

    def save(self) -> None:
        """Write the state of the run: whole or not at all."""
        tensors = {f"weight:{name}": tensor.detach().cpu() for name, tensor in self.masters.items()}
        for name, tensor in self.masters.items():
            for key, value in self.optimizer.state.get(tensor, {}).items():
                tensors[f"{key}:{name}"] = value.detach().cpu()
        with atomic_folder(self.folder / "state") as target:
            save_file(tensors, target / "state.safetensors")
            facts = {"progress": asdict(self.progress), **self.identity}
            (target / "progress.json").write_text(json.dumps(facts, indent=1))

    def _resume(self) -> None:
        """Read the state of a stopped run of the same recipe and seed."""
        facts = json.loads((self.folder / "state" / "progress.json").read_text())
        mine = json.loads(json.dumps(self.identity))
        if {key: facts.get(key) for key in mine} != mine:
            raise InputError(
                f"{self.folder} holds a run of another recipe, seed, encoder or data; give another folder."
            )
        tensors = load_file(self.folder / "state" / "state.safetensors")
        self.progress = Progress(**facts["progress"])
        with torch.no_grad():
            for name, tensor in self.masters.items():
                tensor.copy_(tensors[f"weight:{name}"])
                if f"step:{name}" in tensors:
                    # Fused AdamW counts steps on the device that computes.
                    keys = ("step", "exp_avg", "exp_avg_sq")
                    self.optimizer.state[tensor] = {key: tensors[f"{key}:{name}"].to(self.device) for key in keys}
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.masters[name])
        log.info("resuming at step %d", self.progress.step)
