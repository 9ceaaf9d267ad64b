"""`cappy data build`: from a recipe to a store of groups."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import Ray


def build(
    recipe: Annotated[str, typer.Argument(help="A recipe file (YAML), or one of the bundled recipes t0-50k and t0.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the store; an interrupted build resumes.")],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            envvar="CAPPY_DATA", help="Folder of the files that the recipe names; the recipe's own folder by default."
        ),
    ] = None,
    templates: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            envvar="CAPPY_TEMPLATES", help="Folder of PromptSource templates; named by the recipe by default."
        ),
    ] = None,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Processes that work at the same time; 1, or with --ray as many as fit."),
    ] = None,
    ray: Ray = None,
) -> None:
    """Build labelled groups by a recipe: Parquet shards and a manifest. Stop it at will; the same command goes on.

    With --ray the nodes of a cluster build; all of them must see the files and the output under the same paths.
    """
    from cappy.data.build import build as build_store
    from cappy.data.recipefile import read_recipe
    from cappy.files.progress import progress_bar

    begun = time.monotonic()
    if ray:
        from cappy.scale.build_cluster import build_on_cluster
        from cappy.scale.cluster import joined

        plan = read_recipe(recipe, *(place and place.resolve() for place in (data or _home(recipe), templates)))
        with joined(ray), progress_bar("groups", None) as advance:
            manifest = build_on_cluster(plan, output, workers, advance)
    else:
        plan = read_recipe(recipe, data, templates)
        with progress_bar("groups", None) as advance:
            manifest = build_store(plan, output, workers or 1, advance)
    candidates = sum(manifest["candidates"].values())
    typer.echo(f"{manifest['groups']} groups with {candidates} candidates from {manifest['rows']} rows in {output}")
    typer.echo(f"({time.monotonic() - begun:.0f} s)", err=True)
    if manifest["passed_over"]:
        over = sum(manifest["passed_over"].values())
        typer.echo(f"  {over} renderings skipped by the conditions of their templates", err=True)
    for kind, count in manifest["problems"].items():
        address, reason = manifest["problem_samples"][kind][0]
        typer.echo(f"  {count} x {kind}, such as {address}: {reason}", err=True)


def _home(recipe: str) -> Path:
    """Return the folder that a recipe's files lie in: absolute, since workers start elsewhere."""
    return Path(recipe).resolve().parent
