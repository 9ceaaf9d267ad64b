"""Shared by commands that measure on labelled groups: reading the groups, showing figures."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.group import Group

Labelled = Annotated[
    Path,
    typer.Argument(
        help="Labelled groups that the scorer was not trained on, as `cappy data mixture` and `build` write them."
    ),
]
Rows = Annotated[Optional[int], typer.Option(min=1, help="Use at most this many groups, drawn at random.")]  # noqa: UP045
Seed = Annotated[int, typer.Option(min=0, help="Seed of all that is drawn: groups, halves, bootstrap samples.")]
Figures = Annotated[Optional[Path], typer.Option("--output", "-o", help="Also write the figures as JSON.")]  # noqa: UP045


def read_labelled(path: Path, rows: int | None = None, seed: int = 0) -> list[Group]:
    """Read the labelled groups of a file or store; if there are more than `rows`, draw that many by the seed.

    Raises:
        InputError: there are none.

    """
    from cappy.data.store import read_groups

    found = list(read_groups(path))
    if not found:
        raise InputError(f"{path} holds no groups.")
    groups = [group for group in found if any(candidate.label is not None for candidate in group.candidates)]
    if not groups:
        raise InputError(f"no candidate in {path} has a label: accuracy needs right answers.")
    if len(groups) < len(found):
        typer.echo(f"{len(found) - len(groups)} groups without a label are left out", err=True)
    if rows is not None and rows < len(groups):
        return random.Random(seed).sample(groups, rows)
    return groups


def show_figures(figures: Mapping[str, Any], output: Path | None, tiny: Collection[str] = ()) -> None:
    """Print figures, one a line, and write them as JSON if `output` is given; those in `tiny` get two digits."""
    from cappy.files.atomic import write_json

    for name, value in figures.items():
        shown = f"{value:.2g}" if name in tiny else f"{value:.4f}"
        typer.echo(f"{name:18} {shown if isinstance(value, float) else value}")
    if output:
        write_json(output, figures)
