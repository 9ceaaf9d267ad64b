"""`cappy train`: a recipe and data to a checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import MissingExtraError


def train(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; the same one resumes it.")],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(envvar="CAPPY_DATA", help="Folder of the recipe's data files."),
    ] = None,
    groups: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Train on these groups instead: a file, or a folder that `cappy data build` made."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="base, mini, or mini-t0 (the T0 mixture alone).")] = "mini",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many minutes of computing, above 0.")
    ] = None,
    steps: Annotated[Optional[int], typer.Option(min=1, help="Stop after so many steps.")] = None,  # noqa: UP045
    encoder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Encoder to start from, a folder or a hub name; the recipe's unless given "
            "(base: all-mpnet-base-v2, mini: all-MiniLM-L6-v2)."
        ),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from",
            help="Go on from this scorer's weights: a bundled scorer, a folder, or a hub name. "
            "Recipe base then takes a third of its learning rate.",
        ),
    ] = None,
    learning_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Peak learning rate, above 0; the recipe's unless given."),
    ] = None,
    batch_tokens: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Tokens a step; the recipe's unless given. Fewer need less memory."),
    ] = None,
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of evaluation files: groups that hold one of their texts are left out."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Decides what is drawn from the data, its order and a new head; the split is the same for all.",
        ),
    ] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 takes all cores.")] = 0,
) -> None:
    """Train a scorer. Stop it at any moment; the same command goes on where it was."""
    try:
        from cappy.training.recipes import find_recipe
        from cappy.training.run import RunOptions, train
        from cappy.training.trainer import Budget
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    budget = Budget(steps, minutes)
    options = RunOptions(
        data, output, encoder, budget, seed, threads, against, groups, start, learning_rate, batch_tokens
    )
    target = train(find_recipe(recipe), options)
    typer.echo(f"checkpoint written to {target}")
