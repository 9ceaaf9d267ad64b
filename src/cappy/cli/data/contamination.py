"""`cappy data contamination`: evaluation texts in training groups."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer


def contamination(
    groups: Annotated[Path, typer.Argument(help="Groups: a file, or a folder written by `cappy data build`.")],
    against: Annotated[Path, typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of evaluation files.")],
    show: Annotated[int, typer.Option(min=0, help="Maximum number of findings to print.")] = 20,
) -> None:
    """Search training groups for evaluation texts; the exit code is 1 if any is found."""
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
