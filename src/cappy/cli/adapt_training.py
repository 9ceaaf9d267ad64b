"""`cappy adapt --finetune`: the scorer itself trained further on a task's examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cappy.errors import MissingExtraError
from cappy.progress import progress_bar

if TYPE_CHECKING:
    from cappy.data.examples import Example
    from cappy.scorer import Scorer


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
    """Train the scorer and say what it gained; `settings` are those of `cappy.adapt`."""
    try:
        import torch

        from cappy.adaptation import adapt
        from cappy.training.finetune import Tuning
    except ImportError as error:
        raise MissingExtraError("training the scorer", "train") from error
    if threads:
        torch.set_num_threads(threads)
    tuning = Tuning(learning_rate=learning_rate, epochs=epochs)
    with progress_bar("epochs", epochs) as advance:
        adapted = adapt(scorer, rows, output, tuning=tuning, advance=advance, **settings)
    held = adapted.report["held_out_groups"]
    typer.echo(f"on {held} held-out examples: {100 * adapted.before:.1f} before, {100 * adapted.after:.1f} after")
    typer.echo(f"adapted scorer written to {adapted.folder}; use it with: cappy rank -m {adapted.folder} …")
