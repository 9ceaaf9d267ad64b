"""Development figures: what counts as a hit, and what cannot be measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import CheckpointError, InputError
from cappy.group import Candidate, Group
from cappy.layout.encode import Conventions
from cappy.runtime.encoder_weights import starting_weights
from cappy.runtime.torch_encoder import Encoder
from cappy.training.batches import TrainingGroup, encode_groups
from cappy.training.derived import pair_limits
from cappy.training.validation import describe, development_figures, figures, pair_order, score_training_groups


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


def test_pair_order_counts_pairs_one_by_one() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        size = int(draw.integers(1, 7))
        scores = draw.integers(0, 4, size).astype(np.float32)
        labels = draw.choice(np.array([0.0, 0.3, 1.0], dtype=np.float32), size)
        counted = [
            1.0 if scores[a] > scores[b] else 0.5 if scores[a] == scores[b] else 0.0
            for a in range(size)
            for b in range(size)
            if labels[a] > labels[b]
        ]
        found = pair_order(scores, labels)
        assert found == (pytest.approx(sum(counted) / len(counted)) if counted else None)


def test_pair_order_is_a_mean_over_groups_with_pairs(bert: Path) -> None:
    _, groups, _ = scored(bert)
    right = [group.labels for group in groups]
    assert figures(groups, right)["pair_order"] == 1.0
    half = [-group.labels if i % 2 else group.labels for i, group in enumerate(groups)]
    found = figures(groups, half)
    assert found["pair_order"] == 0.5
    assert "0.5000 of pairs in the right order" in describe(found)
