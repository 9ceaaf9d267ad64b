"""`cappy data mixture`: write the groups of a training recipe."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer


def mixture(
    data: Annotated[Path, typer.Option(envvar="CAPPY_DATA", help="Folder of the recipe's data files.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Parquet or JSON lines; development groups go into NAME.development.ENDING."
        ),
    ],
    recipe: Annotated[str, typer.Option(help="base, mini, or mini-t0 (the T0 mixture alone).")] = "mini",
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of evaluation files; groups that contain one of their texts are left out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of negatives, sampling and the split.")] = 0,
) -> None:
    """Write a recipe's training groups, and its development groups as NAME.development.ENDING.

    `cappy train --recipe` trains on these, and on groups that it makes from their texts (similarity, statements,
    continuations).
    """
    from cappy.data.contamination import read_evaluation_texts, without_overlaps
    from cappy.data.store import write_groups
    from cappy.files.atomic import check_output
    from cappy.training.mixture import build_mixture
    from cappy.training.recipes import find_recipe

    check_output(output)
    chosen = find_recipe(recipe)
    training, development = build_mixture(chosen, data, seed)
    if against:
        training = without_overlaps(training, read_evaluation_texts(against))
    facts = {**asdict(chosen), "seed": seed}
    write_groups(output, training, facts)
    beside = output.with_name(f"{output.stem}.development{output.suffix}")
    write_groups(beside, development, facts)
    typer.echo(f"{len(training)} training groups in {output}, {len(development)} development groups in {beside}")
