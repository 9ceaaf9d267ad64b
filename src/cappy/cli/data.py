"""`cappy data`: building groups and checking them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(help="Build training groups and check them.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def build(
    data: Annotated[Path, typer.Option(envvar="CAPPY_DATA", help="Folder of the recipe's data files.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Parquet or JSON lines; development groups go beside.")
    ],
    recipe: Annotated[str, typer.Option(help="mini, or mini-t0 (the T0 mixture alone).")] = "mini",
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of evaluation files: groups that hold one of their texts are left out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides wrong answers, sampling and the split.")] = 0,
) -> None:
    """Write a recipe's training groups, and its development groups as NAME.development.ENDING."""
    from cappy.checkpoint.files import check_output
    from cappy.data.contamination import read_evaluation_texts, without_overlaps
    from cappy.data.store import write_groups
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


@app.command()
def contamination(
    groups: Annotated[Path, typer.Argument(help="Groups as `cappy data build` writes them.")],
    against: Annotated[Path, typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of evaluation files.")],
    show: Annotated[int, typer.Option(min=0, help="How many findings to print.")] = 20,
) -> None:
    """Look for evaluation texts in training groups; the exit code is 1 if there are any."""
    from cappy.data.contamination import overlaps, read_evaluation_texts
    from cappy.data.store import read_groups

    texts = read_evaluation_texts(against)
    counts: Counter[tuple[str, str]] = Counter()
    for found in overlaps(read_groups(groups), texts):
        if sum(counts.values()) < show:
            typer.echo(f"{found.file} in {found.template}: {found.text[:150]}")
        counts[found.file, found.task] += 1
    typer.echo(f"{texts.count} evaluation texts looked for, {sum(counts.values())} found in training groups")
    for (file, task), count in sorted(counts.items()):
        typer.echo(f"  {file} in {task}: {count}")
    if counts:
        raise typer.Exit(1)
