"""`cappy train`: train a checkpoint from a recipe and data."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import MissingExtraError


def train(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; the same folder resumes it.")],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(envvar="CAPPY_DATA", help="Folder of the recipe's data files."),
    ] = None,
    groups: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Train on these groups instead: a file, or a folder made by `cappy data build`."),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="base, mini, mini-t0 (only the T0 mixture), large (the paper's: RoBERTa-large, joint) or large-shared."
        ),
    ] = "mini",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many minutes of computing, above 0.")
    ] = None,
    steps: Annotated[Optional[int], typer.Option(min=1, help="Stop after this many steps.")] = None,  # noqa: UP045
    encoder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Encoder to start from, a folder or a hub name; the recipe's by default "
            "(base: all-mpnet-base-v2, mini: all-MiniLM-L6-v2)."
        ),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from",
            help="Start from this scorer's weights: a bundled scorer, a folder, or a hub name. "
            "Recipe base then uses a third of its learning rate.",
        ),
    ] = None,
    learning_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Peak learning rate, above 0; the recipe's by default."),
    ] = None,
    batch_tokens: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Tokens per step; the recipe's by default. Fewer need less memory."),
    ] = None,
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of evaluation files; groups that contain one of their texts are left out."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            help="Seed of the draws from the data, their order and a new head; the split is the same for all seeds.",
        ),
    ] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 uses all cores.")] = 0,
    parallel: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="How several processes share the model: ddp (each has a copy) or fsdp (each has a shard). Default: "
            "ddp, unless accelerate is set to FSDP."
        ),
    ] = None,
    micro_tokens: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            help="Tokens that a process computes at once, accumulating gradients; its whole share by default.",
        ),
    ] = None,
    precision: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="fp32 or bf16; by default bf16 if the device supports it."),
    ] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Activation checkpointing: less memory, slower steps.")
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Compile the layers (torch.compile): faster steps after minutes of compiling."),
    ] = False,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Processes that prepare batches ahead; by default 4 with a GPU, else none."),
    ] = None,
    only_tokens: Annotated[
        bool,
        typer.Option(
            "--only-tokens", help="Write the groups' token files and stop, so that no GPU waits for them later."
        ),
    ] = False,
) -> None:
    """Train a scorer. It can be stopped at any time; the same command resumes.

    On several GPUs: torchrun --nproc-per-node 8 --no-python cappy train ..., or accelerate launch. The batch stays that
    of the recipe, and a run resumes with any number of processes.
    """
    try:
        from cappy.training.recipes import find_recipe
        from cappy.training.run import RunOptions, train
        from cappy.training.trainer import Budget, Computing
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    budget = Budget(1) if only_tokens else Budget(steps, minutes)
    computing = Computing(
        parallel or _launched("ACCELERATE_USE_FSDP", {"true": "fsdp"}) or "ddp",
        micro_tokens,
        precision or _launched("ACCELERATE_MIXED_PRECISION", {"bf16": "bf16"}),
        recompute,
        rows=True if compiled else None,
        compile=compiled,
        workers=workers,
    )
    options = RunOptions(
        data=data,
        output=output,
        encoder=encoder,
        budget=budget,
        seed=seed,
        threads=threads,
        against=against,
        groups=groups,
        start=start,
        learning_rate=learning_rate,
        batch_tokens=batch_tokens,
        computing=computing,
        only_tokens=only_tokens,
    )
    target = train(find_recipe(recipe), options)
    if level == logging.INFO:
        typer.echo(f"{'token files' if only_tokens else 'checkpoint'} written to {target}")


def _launched(variable: str, known: Mapping[str, str]) -> str | None:
    """Translate a setting that accelerate passes in the environment; None if it is not `known`."""
    return known.get(os.environ.get(variable, "").lower())
