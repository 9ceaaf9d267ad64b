"""Fine-tune a scorer on a few groups for some epochs and keep the best weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cappy.encoders.spec import EncoderSpec
from cappy.layout.encode import Conventions
from cappy.training.batches import TrainingGroup, pack_training
from cappy.training.epochs import epoch_batches
from cappy.training.losses import training_loss
from cappy.training.optimizer import make_optimizer, step_masters, training_dtype
from cappy.training.placement import Alone
from cappy.training.validation import score_training_groups

log = logging.getLogger("cappy.training")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a scorer is fine-tuned.

    Training stops early after `patience` epochs without a lower held-out loss. The loss is squared error plus
    `listwise` times the listwise loss at `temperature`, as in pretraining.
    """

    learning_rate: float = 5e-5
    epochs: int = 8
    patience: int = 2
    batch_tokens: int = 2000
    weight_decay: float = 0.01
    listwise: float = 0.3
    temperature: float = 0.15


@dataclass(frozen=True, slots=True)
class Tuned:
    """Weights of the best epoch, by name, and the held-out losses before training and after every epoch."""

    weights: dict[str, NDArray[np.float32]]
    losses: tuple[float, ...]
    best_epoch: int


def finetune(
    spec: EncoderSpec,
    weights: Mapping[str, Tensor],
    conventions: Conventions,
    training: Sequence[TrainingGroup],
    held_out: Sequence[TrainingGroup],
    tuning: Tuning,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> Tuned:
    """Train on `training` until the loss on `held_out` stops falling; epoch 0 is the untrained scorer.

    Without held-out groups all epochs run and the last one is kept. `advance(1)` is called after every epoch.
    """
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = training_dtype(device)
    model = Alone(spec, weights, device, dtype)
    masters = model.masters
    optimizer = make_optimizer(masters, tuning.learning_rate, tuning.weight_decay)
    total = tuning.epochs * len(epoch_batches(training, tuning.batch_tokens, seed, 0))
    losses = [mean_loss(model, held_out, conventions, tuning)] if held_out else []
    best, kept = 0, {name: tensor.detach().clone() for name, tensor in masters.items()}
    step = 0
    for epoch in range(1, tuning.epochs + 1):
        for batch in epoch_batches(training, tuning.batch_tokens, seed, epoch):
            rate = tuning.learning_rate * _schedule(step / max(total, 1))
            _step(model, optimizer, [training[i] for i in batch], conventions, tuning, rate)
            step += 1
        if advance:
            advance(1)
        if held_out:
            losses.append(mean_loss(model, held_out, conventions, tuning))
            log.info("epoch %d: held-out loss %.4f", epoch, losses[-1])
        if not held_out or losses[-1] < losses[best]:
            best, kept = epoch, {name: tensor.detach().clone() for name, tensor in masters.items()}
        elif epoch - best >= tuning.patience:
            break
    found = {name: tensor.cpu().numpy() for name, tensor in kept.items()}
    return Tuned(found, tuple(losses), best)


def mean_loss(model: Alone, groups: Sequence[TrainingGroup], conventions: Conventions, tuning: Tuning) -> float:
    """Return the training loss averaged over groups."""
    total = 0.0
    for group, scores in zip(groups, score_training_groups(model, groups, conventions), strict=True):
        total += float(_loss(torch.from_numpy(scores), [group], tuning))
    return total / len(groups)


def _loss(scores: Tensor, groups: Sequence[TrainingGroup], tuning: Tuning) -> Tensor:
    labels = torch.from_numpy(np.concatenate([group.labels for group in groups]))
    numbers = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor([len(g.labels) for g in groups]))
    return training_loss(scores, labels, numbers, len(groups), listwise=tuning.listwise, temperature=tuning.temperature)


def _schedule(progress: float) -> float:
    """Return the learning rate's share of the peak: warm-up over the first tenth, then cosine decay to 0.1."""
    if progress < 0.1:
        return max(progress, 0.01) / 0.1
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))


def _step(
    model: Alone,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[TrainingGroup],
    conventions: Conventions,
    tuning: Tuning,
    rate: float,
) -> None:
    batch, _, _ = pack_training(groups, conventions)
    _loss(model(batch).float().cpu(), groups, tuning).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    model.gather()
    step_masters(model.masters, optimizer, rate)
    model.refresh()
