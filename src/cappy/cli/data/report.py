"""`cappy data report`: describe groups on one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from cappy.group import Group


def report(
    groups: Annotated[Path, typer.Argument(help="Groups: a file, or a folder written by `cappy data build`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of evaluation files; their texts are searched for."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the examples shown.")] = 0,
) -> None:
    """Write one HTML page: counts, lengths, labels, examples, duplicates, problems, contamination."""
    from cappy.data.contamination import read_evaluation_texts
    from cappy.data.report import html_report
    from cappy.data.store import read_groups, read_manifest
    from cappy.data.summary import summarise
    from cappy.files.atomic import atomic_file, check_output
    from cappy.files.progress import progress_bar

    check_output(output)
    texts = read_evaluation_texts(against) if against else None
    with progress_bar("groups", None) as advance:
        summary = summarise(_counted(read_groups(groups), advance), texts, seed)
    manifest = read_manifest(groups)
    about = (manifest.get("recipe") or {}).get("about", "") if isinstance(manifest.get("recipe"), dict) else ""
    page = html_report(groups.name, str(about), summary, manifest, texts.count if texts else 0)
    with atomic_file(output) as beside:
        beside.write_text(page, encoding="utf-8")
    typer.echo(f"{summary.total.groups} groups of {len(summary.tasks)} tasks described in {output}")


def _counted(groups: Iterable[Group], advance: Callable[[int], None]) -> Iterator[Group]:
    for group in groups:
        yield group
        advance(1)
