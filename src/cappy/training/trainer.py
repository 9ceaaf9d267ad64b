"""The trainer: AdamW over batches, in one process or several, with a saved state from which a stopped run resumes.

Master weights stay in float32. Forward and backward run in bfloat16 if the processor supports it, which is about twice
as fast on a CPU. Batches do not depend on the number of processes.
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
from cappy.training.batches import TrainingGroup
from cappy.training.epochs import Batches, epoch_batches, pair_batches
from cappy.training.losses import Totals, training_loss
from cappy.training.optimizer import make_optimizer, step_masters, training_dtype
from cappy.training.parts import Part, Preparing, Step, endless_steps
from cappy.training.placement import PARALLEL, placement, shard_like, whole
from cappy.training.processes import Processes
from cappy.training.recipes import Recipe
from cappy.training.validation import Model

log = logging.getLogger("cappy.training")
TRAINING_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends: after `steps` steps or `minutes` of computing, whichever comes first."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Require at least one limit, and limits above 0."""
        if self.steps is None and self.minutes is None:
            raise InputError("training needs a limit: give --steps or --minutes.")
        if any(end is not None and end <= 0 for end in (self.steps, self.minutes)):
            raise InputError("--steps and --minutes must be above 0.")

    def progress(self, step: int, seconds: float) -> float:
        """Return the share of the run that is done, in [0, 1]."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return min(1.0, max(shares))


@dataclass(slots=True)
class Progress:
    """How far a run has got; part of the saved state."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    tokens: int = 0


def learning_rate(progress: float, recipe: Recipe) -> float:
    """Return the learning rate: linear warm-up, then cosine decay to `recipe.final_lr_ratio` of the peak."""
    if progress < recipe.warmup:
        return recipe.learning_rate * max(progress, 1e-3) / recipe.warmup
    after = (progress - recipe.warmup) / (1 - recipe.warmup)
    fall = 0.5 * (1 + math.cos(math.pi * after))
    return recipe.learning_rate * (recipe.final_lr_ratio + (1 - recipe.final_lr_ratio) * fall)


@dataclass(frozen=True, slots=True)
class Computing:
    """How a run is computed. Results change only by rounding and by dropout's random numbers.

    `parallel`: how several processes share the model, `ddp` or `fsdp`. `micro_tokens`: tokens that a process computes
    at once; gradients accumulate over the parts of a step. `precision`: fp32 or bf16; None takes bf16 if the device
    supports it. `recompute`: activation checkpointing, which saves memory and costs time. `rows`: lay groups in rows
    of 512 tokens for one fused attention call. `compile`: compile the layers over those rows. `workers`: processes that
    make batches ahead of time. `rows` and `workers` default to True and 4 on a GPU, False and 0 on a CPU.
    """

    parallel: str = "ddp"
    micro_tokens: int | None = None
    precision: str | None = None
    recompute: bool = False
    rows: bool | None = None
    compile: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        """Check names and numbers.

        Raises:
            InputError: a name is unknown, or a number is not above 0.

        """
        if self.parallel not in PARALLEL:
            raise InputError(f"--parallel must be one of {', '.join(PARALLEL)}, not {self.parallel!r}.")
        if self.precision not in (None, *TRAINING_TYPES):
            raise InputError(f"--precision must be one of {', '.join(TRAINING_TYPES)}, not {self.precision!r}.")
        if self.micro_tokens is not None and self.micro_tokens < 1:
            raise InputError(f"--micro-tokens must be above 0, not {self.micro_tokens}.")


@dataclass(frozen=True, slots=True)
class _Done:
    """The result of a step over all processes: loss, tokens, seconds, and whether to stop, save and measure."""

    loss: float | Tensor
    tokens: int
    stop: bool
    seconds: float
    save: bool
    measure: bool


class Trainer:
    """One training run. Its latest state is kept in `folder`, so that it can be resumed; `model` scores batches."""

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
        """Prepare a run from `weights`, or resume the state in `folder`.

        `origin` identifies encoder and data; a state with another origin is refused. The number of processes may
        differ from that of the saved run.
        """
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.recipe, self.conventions, self.folder, self.seed = recipe, conventions, folder, seed
        self.computing, self.processes = computing or Computing(), processes or Processes()
        self.dtype = TRAINING_TYPES.get(self.computing.precision or "", training_dtype(self.device))
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
        """The whole-batch loss of every step since this trainer was made."""
        return numbers(self._losses)

    def run(
        self,
        groups: Sequence[TrainingGroup],
        budget: Budget,
        save_every: float = 300.0,
        evaluate: Callable[[Model], str] | None = None,
        evaluate_every: float = 900.0,
    ) -> None:
        """Train until the budget is spent. Saves every `save_every` seconds, at the end, and when interrupted.

        Raises:
            KeyboardInterrupt: a process was asked to stop; the state is saved.

        """
        if not groups:
            raise InputError("there are no groups to train on.")
        try:
            self._steps(groups, budget, save_every, evaluate, evaluate_every)
        except BaseException as error:
            # Saving takes all processes. If one of several fails, the last saved state stands.
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
            if state.step == 1 or state.step % 25 == 0:
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
        """Add up a step over all processes; the first one's clock decides whether all save and measure after it."""
        if self.processes.world == 1:
            return _Done(loss, tokens, self.processes.stopping, seconds, save, measure)
        clock = (seconds, float(save), float(measure)) if self.processes.first else (0.0, 0.0, 0.0)
        found = self.processes.summed([float(loss), float(tokens), float(self.processes.stopping), *clock])
        return _Done(found[0], int(found[1]), bool(found[2]), found[3], bool(found[4]), bool(found[5]))

    def _save_at_end(self) -> None:
        if not self._updating:  # stopped in the middle of an update: the last saved state stands
            self.save()

    def _batches(self, groups: Sequence[TrainingGroup], epoch: int) -> Batches:
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
        """Make one optimisation step; return this process's share of its loss and its tokens.

        The loss stays on the device, so that nothing waits for it.
        """
        recipe, world = self.recipe, self.processes.world
        self.model.encoder.dropout = recipe.dropout
        if recipe.dropout:  # dropout depends on seed and step only, so a resumed run equals an uninterrupted one
            torch.manual_seed((self.seed << 32) + (self.processes.rank << 24) + self.progress.step)
        loss = torch.zeros((), device=self.device)
        for number, part in enumerate(step.parts):
            with self.model.part(last=number == len(step.parts) - 1):
                share = self._loss(part, step.totals)
                # DDP and FSDP average gradients over processes; the processes' losses must add up.
                (share * (world if part.count else 0)).backward()  # type: ignore[no-untyped-call]
            self.model.gather()
            loss = loss + share.detach() * part.count
        self.model.encoder.dropout = 0.0
        self._update(rate)
        return loss, sum(part.tokens for part in step.parts)

    def _loss(self, part: Part, totals: Totals) -> Tensor:
        """Return a part's share of the loss of a batch with these totals."""
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
        """Update the masters with their gradients."""
        self._updating = True
        step_masters(self.masters, self.optimizer, rate)
        self.model.refresh()

    def weights(self) -> dict[str, Tensor]:
        """Return the unsharded masters on the CPU in the first process, and {} in the others; all must call this."""
        return self._whole(self.masters)

    def _whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            full = whole(tensor)
            if self.processes.first:
                kept[name] = full.cpu()
        return kept

    def save(self) -> None:
        """Write the state of the run atomically, with unsharded weights."""
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
        """Read the state of a stopped run with the same recipe, seed and origin."""
        facts = same_run(self.folder, self.identity)
        tensors = load_file(self.folder / "state" / "state.safetensors")
        self.progress = Progress(**facts["progress"])
        with torch.no_grad():
            for name, tensor in self.masters.items():
                tensor.copy_(shard_like(tensors[f"weight:{name}"], tensor))
                if f"step:{name}" in tensors:
                    # Fused AdamW keeps its step count on the device.
                    moments = {key: shard_like(tensors[f"{key}:{name}"], tensor) for key in ("exp_avg", "exp_avg_sq")}
                    self.optimizer.state[tensor] = {"step": tensors[f"step:{name}"].to(self.device), **moments}
        self.model.refresh()
        log.info("resuming at step %d", self.progress.step)


def same_run(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the state saved in `folder`; empty if there is none.

    Raises:
        InputError: they differ from `identity`, which may be a part of the trainer's.

    """
    path = folder / "state" / "progress.json"
    if not path.exists():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text())
    facts["recipe"] = {**_defaults(), **facts["recipe"]}
    mine = json.loads(json.dumps(identity))
    if {key: facts.get(key) for key in mine} != mine:
        raise InputError(f"{folder} holds a run with another recipe, seed, encoder or data; give another folder.")
    return facts


def numbers(losses: Sequence[float | Tensor]) -> list[float]:
    """Return losses as floats, fetched from the device in one transfer."""
    if not losses:
        return []
    found: list[float] = torch.stack([torch.as_tensor(loss).double() for loss in losses]).tolist()
    return found


def _defaults() -> dict[str, Any]:
    """Return the defaults of a recipe's fields, which fill fields that older saved states lack."""
    found = {one.name: one.default for one in fields(Recipe) if one.default is not MISSING}
    return {name: value for name, value in found.items() if not is_dataclass(value)}
