"""`cappy data show`: print groups for reading."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import AsJson
from cappy.errors import InputError


def show(
    groups: Annotated[Path, typer.Argument(help="Groups: a file, or a folder written by `cappy data build`.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of groups.")] = 5,
    task: Annotated[Optional[str], typer.Option(help="Only groups of this task.")] = None,  # noqa: UP045
    template: Annotated[Optional[str], typer.Option(help="Only groups of this template.")] = None,  # noqa: UP045
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Draw groups at random with this seed; the first ones by default."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print groups: the instruction, then every candidate with its label and origin."""
    from cappy.cli.output import print_group, print_json
    from cappy.data.reservoir import draw_from
    from cappy.data.store import group_row, read_groups

    wanted = (g for g in read_groups(groups) if task in (None, g.task) and template in (None, g.template))
    chosen = list(islice(wanted, count)) if seed is None else draw_from(wanted, count, seed)
    if not chosen:
        raise InputError(f"{groups} holds no such group.")
    for group in chosen:
        if as_json:
            print_json(group_row(group))
        else:
            print_group(group)
