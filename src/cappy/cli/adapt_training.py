"""`cappy adapt --finetune`: train the scorer itself, on a task's examples or on labelled texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cappy.errors import MissingExtraError
from cappy.files.progress import progress_bar

if TYPE_CHECKING:
    from cappy.classifier import Classifier
    from cappy.group import Example
    from cappy.scorer import Scorer
    from cappy.training.finetune import Tuning


def train_scorer(
    scorer: Scorer,
    rows: Sequence[Example],
    output: Path,
    *,
    epochs: int,
    learning_rate: float,
    threads: int,
    **settings: Any,
) -> None:
    """Train the scorer and report the gain; `settings` are arguments of `cappy.adapt`."""
    tuning = _tuning(epochs, learning_rate, threads)
    from cappy.adaptation.examples import adapt

    with progress_bar("epochs", epochs) as advance:
        adapted = adapt(scorer, rows, output, tuning=tuning, advance=advance, **settings)
    held = adapted.report["held_out_groups"]
    typer.echo(f"on {held} held-out examples: {100 * adapted.before:.1f} before, {100 * adapted.after:.1f} after")
    typer.echo(f"adapted scorer written to {adapted.folder}; use it with: cappy rank -m {adapted.folder} …")


def learn_by_training(
    classifier: Classifier,
    texts: Sequence[str],
    labels: Sequence[Any],
    output: Path,
    *,
    epochs: int,
    learning_rate: float,
    threads: int,
    seed: int,
) -> tuple[Classifier, str, Sequence[int]]:
    """Learn labelled texts by training the scorer, if that helps; see `cappy.cli.adapt_labels.Learn`."""
    tuning = _tuning(epochs, learning_rate, threads)
    from cappy.adaptation.labelled import finetune_classifier

    with progress_bar("epochs", epochs) as advance:
        found = finetune_classifier(classifier, texts, labels, output, tuning=tuning, seed=seed, advance=advance)
    return found.classifier, str(found.compared), found.judged


def _tuning(epochs: int, learning_rate: float, threads: int) -> Tuning:
    try:
        import torch

        from cappy.training.finetune import Tuning
    except ImportError as error:
        raise MissingExtraError("training the scorer", "train") from error
    if threads:
        torch.set_num_threads(threads)
    return Tuning(learning_rate=learning_rate, epochs=epochs)
