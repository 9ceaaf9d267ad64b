"""`cappy eval report`: make reports from saved predictions of one or several systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.cli.options import BatchCalibration

if TYPE_CHECKING:
    from cappy.evaluation.zeroshot.summary import SystemFigures


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders written by `cappy eval zero-shot --save`.")],
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Write report.md, report.json and report.html into this folder."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    batch_calibration: BatchCalibration = 0.0,
) -> None:
    """Make a report from saved predictions; several folders are compared side by side."""
    from cappy.evaluation.zeroshot.report import markdown_report
    from cappy.evaluation.zeroshot.runfolder import read_run
    from cappy.evaluation.zeroshot.summary import summarise

    runs = [read_run(folder) for folder in folders]
    systems = [figures for run in runs for figures in summarise(run, seed, batch_calibration)]
    draws = dict.fromkeys((run.settings.get("rows"), run.settings.get("seed")) for run in runs)
    settings = "; ".join(describe_draw(rows, drawn) for rows, drawn in draws)
    typer.echo(markdown_report(systems, settings), nl=False)
    if output:
        write_reports(output, systems, settings)


def describe_draw(rows: int | None, seed: int | None) -> str:
    """Describe how rows were drawn."""
    return f"{'all rows' if rows is None else f'at most {rows:,} rows'} of each task, seed {seed}"


def write_reports(folder: Path, systems: Sequence[SystemFigures], settings: str) -> None:
    """Write the report into `folder` as Markdown, JSON and HTML."""
    from cappy.evaluation.zeroshot.page import html_report
    from cappy.evaluation.zeroshot.report import json_report, markdown_report
    from cappy.files.atomic import atomic_file, write_json

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", json_report(systems, settings))
    for name, make in (("report.md", markdown_report), ("report.html", html_report)):
        with atomic_file(folder / name) as beside:
            beside.write_text(make(systems, settings), encoding="utf-8")
    typer.echo(f"reports: {folder / 'report.html'}, report.md, report.json", err=True)
