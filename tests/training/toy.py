"""A small mixture, and a recipe that learns it in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cappy.training.recipes import MINI_T0, Recipe, Source
from cappy.training.run import RunOptions, train
from cappy.training.trainer import Budget

TEMPLATES = """
templates:
  1: !Template
    answer_choices: bad ||| good
    jinja: '{{text}} good or bad ? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata {original_task: true}
    name: toy
"""

RECIPE = dataclasses.replace(
    MINI_T0,
    rendered="rendered.parquet",
    sources=(Source("toy", "toy", rows=200),),
    batch_tokens=400,
    learning_rate=2e-3,
    instruction_tokens=30,
    response_tokens=8,
    similarity=None,
    statements=None,
    continuations=None,
)


def run(data: Path, output: Path, encoder: Path, steps: int, recipe: Recipe = RECIPE, seed: int = 0) -> Path:
    return train(recipe, RunOptions(data, output, str(encoder), Budget(steps=steps), seed, threads=1))
