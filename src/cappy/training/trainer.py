"""The trainer: AdamW over batches, with checkpoints that resume where a run was stopped, in one process or several.

The master weights stay in float32; where the processor has bfloat16 arithmetic, forward and backward
run in bfloat16, which is about twice as fast on a CPU. A batch is the same for any number of processes.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
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
from cappy.layout.rows import TokenRows
from cappy.runtime.torch_rows import RowTensors, to_device
from cappy.training.batches import TrainingGroup, epoch_batches, pair_batches
from cappy.training.losses import Totals, training_loss
from cappy.training.optimizer import make_optimizer, step_masters, training_dtype
from cappy.training.parts import Part, Preparing, Step, endless_steps
from cappy.training.placement import PARALLEL, placement, shard_like, whole
from cappy.training.processes import Processes
from cappy.training.recipes import Recipe
from cappy.training.validation import Model

log = logging.getLogger("cappy.training")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


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


@dataclass(frozen=True, slots=True)
class Computing:
    """How a run is computed, which does not change what it learns but for rounding, and for what dropout draws.

    `parallel` is how several processes share the model. `micro_tokens` is how many tokens a process computes together;
    the gradients of a step's parts are accumulated. `precision` is fp32 or bf16; None takes bf16 where the device has
    it. `recompute` keeps less of a forward pass and computes it again backwards. `rows` lays groups in rows of 512
    tokens for one fused attention, and `compile` fuses the layers over them; `workers` processes make batches ahead.
    None takes rows and 4 workers on a GPU, neither on a CPU.
    """

    parallel: str = "ddp"
    micro_tokens: int | None = None
    precision: str | None = None
    recompute: bool = False
    rows: bool | None = None
    compile: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: a name is unknown, or a number not above 0.

        """
        if self.parallel not in PARALLEL:
            raise InputError(f"--parallel is one of {', '.join(PARALLEL)}, not {self.parallel!r}.")
        if self.precision not in (None, *PRECISIONS):
            raise InputError(f"--precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}.")
        if self.micro_tokens is not None and self.micro_tokens < 1:
            raise InputError(f"--micro-tokens is above 0, not {self.micro_tokens}.")


@dataclass(frozen=True, slots=True)
class _Done:
    """A step of all processes: its loss, tokens, whether to stop, seconds, whether to save and to measure."""

    loss: float | Tensor
    tokens: int
    stop: bool
    seconds: float
    save: bool
    measure: bool


class Trainer:
    """One training run, kept in `folder`: its latest state, so that it can be resumed.

    `model` scores batches.
    """

    def __init__(
        self,
        spec: EncoderSpec,
        weights: Mapping[str, Tensor],
        recipe: Recipe,
        conventions: Conventions,
        folder: Path,
        seed: int,
        origin: str = "",
        computing: Computing | None = None,
        processes: Processes | None = None,
    ) -> None:
        """Prepare a run from `weights`; a state already in `folder` is resumed.

        `origin` identifies encoder and data: a state of another origin is not resumed. Several processes resume what
        any number of them has left.
        """
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe, self.conventions, self.folder, self.seed = recipe, conventions, folder, seed
        self.computing, self.processes = computing or Computing(), processes or Processes()
        self.dtype = PRECISIONS.get(self.computing.precision or "", training_dtype(self.device))
        self.identity = {"seed": seed, "recipe": asdict(recipe), "origin": origin}
        kind = placement(self.computing.parallel, self.processes.world)
        self.model = kind(spec, weights, self.device, self.dtype)
        self.model.encoder.recompute = self.computing.recompute
        on_gpu = self.device.type == "cuda"
        self.in_rows = on_gpu if self.computing.rows is None else self.computing.rows
        self.workers = (4 if on_gpu else 0) if self.computing.workers is None else self.computing.workers
        if self.computing.compile:
            self.model.encoder.compile_rows()
        self.masters = self.model.masters
        self.optimizer = make_optimizer(self.masters, recipe.learning_rate, recipe.weight_decay)
        self._losses: list[float | Tensor] = []
        self.progress = Progress()
        self._updating = False
        if (folder / "state").exists():
            self._resume()

    @property
    def losses(self) -> list[float]:
        """The loss of every step made here, that of the whole batch."""
        return numbers(self._losses)

    def run(
        self,
        groups: Sequence[TrainingGroup],
        budget: Budget,
        save_every: float = 300.0,
        evaluate: Callable[[Model], str] | None = None,
        evaluate_every: float = 900.0,
    ) -> None:
        """Train until the budget is spent; saves every `save_every` seconds and at the end or an interruption.

        Raises:
            KeyboardInterrupt: a process was asked to stop; what is done is saved.

        """
        if not groups:
            raise InputError("there are no groups to train on.")
        try:
            self._steps(groups, budget, save_every, evaluate, evaluate_every)
        except BaseException as error:
            # Of several processes one that fails is alone, and saving takes all: the state of before counts.
            if self.processes.world == 1 or isinstance(error, KeyboardInterrupt):
                self._save_at_end()
            raise
        self._save_at_end()

    def _steps(
        self,
        groups: Sequence[TrainingGroup],
        budget: Budget,
        save_every: float,
        evaluate: Callable[[Model], str] | None,
        evaluate_every: float,
    ) -> None:
        state = self.progress
        preparing = Preparing(
            self.conventions,
            self.recipe.graded_listwise is not None,
            self.in_rows,
            self.processes.world,
            self.processes.rank,
            self.computing.micro_tokens,
        )
        stream = endless_steps(
            groups, lambda epoch: self._batches(groups, epoch), preparing, state.epoch, state.batch, self.workers
        )
        saved = evaluated = time.monotonic()
        reported = len(self._losses)
        while budget.progress(state.step, state.seconds) < 1:
            begun = time.monotonic()
            epoch, number, step = next(stream)
            rate = learning_rate(budget.progress(state.step, state.seconds), self.recipe)
            loss, tokens = self._step(step, rate)
            now = time.monotonic()
            due = now - saved > save_every, evaluate is not None and now - evaluated > evaluate_every
            done = self._agreed(loss, tokens, now - begun, *due)
            self._losses.append(done.loss)
            state.step, state.epoch, state.batch = state.step + 1, epoch, number
            state.tokens += done.tokens
            state.seconds += done.seconds
            self._updating = False
            if state.step % 25 == 0:
                self._report(numbers(self._losses[reported:]), rate, budget)
                reported = len(self._losses)
            if done.stop:
                raise KeyboardInterrupt
            if done.save:
                self.save()
                saved = time.monotonic()
            if evaluate and done.measure:
                log.info("step %d: %s", state.step, evaluate(self.model))
                evaluated = time.monotonic()

    def _agreed(self, loss: Tensor, tokens: int, seconds: float, save: bool, measure: bool) -> _Done:
        """Add up what the processes did in a step; the first one's clock decides for all what is done behind it."""
        if self.processes.world == 1:
            return _Done(loss, tokens, self.processes.stopping, seconds, save, measure)
        clock = (seconds, float(save), float(measure)) if self.processes.first else (0.0, 0.0, 0.0)
        found = self.processes.summed([float(loss), float(tokens), float(self.processes.stopping), *clock])
        return _Done(found[0], int(found[1]), bool(found[2]), found[3], bool(found[4]), bool(found[5]))

    def _save_at_end(self) -> None:
        if not self._updating:  # stopped amid an update, the state before the last save is the one that counts
            self.save()

    def _batches(self, groups: Sequence[TrainingGroup], epoch: int) -> list[list[int]]:
        if self.recipe.batch_pairs:
            return pair_batches(groups, self.recipe.batch_pairs, self.seed, epoch)
        return epoch_batches(groups, self.recipe.batch_tokens, self.seed, epoch)

    def _report(self, losses: Sequence[float], rate: float, budget: Budget) -> None:
        state = self.progress
        done = budget.progress(state.step, state.seconds)
        left = state.seconds * (1 - done) / max(done, 1e-6) / 60
        speed = state.tokens / max(state.seconds, 1e-6)
        message = "step %d  epoch %d  loss %.4f  lr %.2e  %.0f tokens/s  %.0f%% done, %.0f min left"
        log.info(message, state.step, state.epoch, float(np.mean(losses)), rate, speed, 100 * done, left)

    def _step(self, step: Step, rate: float) -> tuple[Tensor, int]:
        """Make one optimisation step; return what this process computed of its loss, and of its tokens.

        The loss stays on the device: nothing waits for a number.
        """
        recipe, world = self.recipe, self.processes.world
        self.model.encoder.dropout = recipe.dropout
        if recipe.dropout:  # what is dropped follows from the seed and the step: a resumed run goes on alike
            torch.manual_seed((self.seed << 32) + (self.processes.rank << 24) + self.progress.step)
        loss = torch.zeros((), device=self.device)
        for number, part in enumerate(step.parts):
            with self.model.part(last=number == len(step.parts) - 1):
                share = self._loss(part, step.totals)
                # DDP and FSDP average gradients over processes, whose losses add up.
                (share * (world if part.count else 0)).backward()  # type: ignore[no-untyped-call]
            self.model.gather()
            loss = loss + share.detach() * part.count
        self.model.encoder.dropout = 0.0
        self._update(rate)
        return loss, sum(part.tokens for part in step.parts)

    def _loss(self, part: Part, totals: Totals) -> Tensor:
        """Return what a part's groups add to the loss of a batch with these totals."""
        batch = RowTensors.of(part.batch, self.device) if isinstance(part.batch, TokenRows) else part.batch
        graded: dict[str, Any] = {}
        if part.graded is not None:
            weight = self.recipe.graded_listwise
            graded = {"graded": to_device(part.graded, self.device), "graded_listwise": weight}
        return training_loss(
            self.model(batch).float(),
            to_device(part.labels, self.device),
            to_device(part.numbers, self.device),
            part.groups,
            listwise=self.recipe.listwise,
            pairwise=self.recipe.pairwise,
            temperature=self.recipe.temperature,
            totals=totals,
            **graded,
        )

    def _update(self, rate: float) -> None:
        """Move the masters by their gradients."""
        self._updating = True
        step_masters(self.masters, self.optimizer, rate)
        self.model.refresh()

    def weights(self) -> dict[str, Tensor]:
        """Return the masters whole, on the CPU, in the first process; the others, which help, get nothing."""
        return self._whole(self.masters)

    def _whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            full = whole(tensor)
            if self.processes.first:
                kept[name] = full.cpu()
        return kept

    def save(self) -> None:
        """Write the state of the run: whole or not at all, and whole weights whichever way they are sharded."""
        tensors = {f"weight:{name}": tensor for name, tensor in self.masters.items()}
        for name, tensor in self.masters.items():
            tensors |= {f"{key}:{name}": value for key, value in self.optimizer.state.get(tensor, {}).items()}
        kept = self._whole(tensors)
        if self.processes.first:
            with atomic_folder(self.folder / "state") as target:
                save_file(kept, target / "state.safetensors")
                facts = {"progress": asdict(self.progress), **self.identity}
                (target / "progress.json").write_text(json.dumps(facts, indent=1))
        self.processes.wait()

    def _resume(self) -> None:
        """Read the state of a stopped run of the same recipe and seed."""
        facts = json.loads((self.folder / "state" / "progress.json").read_text())
        mine = json.loads(json.dumps(self.identity))
        facts["recipe"] = {**_defaults(), **facts["recipe"]}
        if {key: facts.get(key) for key in mine} != mine:
            raise InputError(
                f"{self.folder} holds a run of another recipe, seed, encoder or data; give another folder."
            )
        tensors = load_file(self.folder / "state" / "state.safetensors")
        self.progress = Progress(**facts["progress"])
        with torch.no_grad():
            for name, tensor in self.masters.items():
                tensor.copy_(shard_like(tensors[f"weight:{name}"], tensor))
                if f"step:{name}" in tensors:
                    # Fused AdamW counts steps on the device that computes.
                    moments = {key: shard_like(tensors[f"{key}:{name}"], tensor) for key in ("exp_avg", "exp_avg_sq")}
                    self.optimizer.state[tensor] = {"step": tensors[f"step:{name}"].to(self.device), **moments}
        self.model.refresh()
        log.info("resuming at step %d", self.progress.step)


def numbers(losses: Sequence[float | Tensor]) -> list[float]:
    """Return losses as numbers, fetched from their device together."""
    if not losses:
        return []
    found: list[float] = torch.stack([torch.as_tensor(loss).double() for loss in losses]).tolist()
    return found


def _defaults() -> dict[str, Any]:
    """Return what a recipe has unless it says otherwise: states of before it could say so mean that."""
    found = {one.name: one.default for one in fields(Recipe) if one.default is not MISSING}
    return {name: value for name, value in found.items() if not is_dataclass(value)}
