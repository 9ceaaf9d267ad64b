"""Development figures: what counts as a hit, and what cannot be measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import CheckpointError, InputError
from cappy.group import Candidate, Group
from cappy.layout import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import TrainingGroup, encode_groups
from cappy.training.made import pair_limits
from cappy.training.measure import describe, development_figures, score_training_groups


def scored(bert: Path, head: float = 1.0) -> tuple[Encoder, list[TrainingGroup], Conventions]:
    """Return a model whose head's weights are multiplied by `head`, and twelve groups of two tasks."""
    _, spec, weights = starting_weights(bert, 0)
    scaled = {name: t * head if name.startswith("classifier") else t for name, t in weights.items()}
    conventions = Conventions.of(spec, "shared", 1, 2)
    groups = [
        Group(
            f"the colour of {i} ?",
            (Candidate("red", float(i % 4 == 0)), Candidate("blue", float(i % 4 != 0)), Candidate("green", 0.0)),
            f"task {i % 2}",
        )
        for i in range(12)
    ]
    tokenizer = read_checkpoint(bert).tokenizer
    return Encoder(spec, scaled), encode_groups(groups, tokenizer, conventions, pair_limits(30, 8), 8, 0), conventions


def test_figures_are_those_of_every_group_alone(bert: Path) -> None:
    model, groups, conventions = scored(bert, 50.0)
    figures = development_figures(model, groups, conventions)
    hits: dict[str, list[float]] = {"task 0": [], "task 1": []}
    errors = []
    for group in groups:
        (scores,) = score_training_groups(model, [group], conventions)
        hits[group.task].append(float(group.labels[int(np.argmax(scores))]))
        errors.append(np.mean((scores - group.labels) ** 2))
    assert figures["groups"] == 12
    assert figures["accuracy"] == pytest.approx(np.mean(hits["task 0"] + hits["task 1"]))
    assert figures["by_task"] == pytest.approx({task: np.mean(found) for task, found in hits.items()})
    assert figures["mean_over_tasks"] == pytest.approx(np.mean([np.mean(found) for found in hits.values()]))
    assert figures["squared_error"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert "on average over tasks" in describe(figures)


def test_a_tie_is_a_hit_by_its_share(bert: Path) -> None:
    model, groups, conventions = scored(bert, 0.0)  # every candidate has the same score
    figures = development_figures(model, groups, conventions)
    assert figures["accuracy"] == pytest.approx(1 / 3)


def test_what_cannot_be_measured_is_refused(bert: Path) -> None:
    model, groups, conventions = scored(bert)
    with pytest.raises(InputError, match="no groups"):
        development_figures(model, [], conventions)
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        development_figures(model, groups, conventions)
