"""`cappy eval`: measuring a scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli import eval_bigbench, eval_blind, eval_layouts, eval_report, zero_shot
from cappy.cli.options import Layout, Model, Threads, load_scorer
from cappy.errors import InputError

app = typer.Typer(help="Measure a scorer.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Measure a scorer."""


app.command("bigbench")(eval_bigbench.bigbench)
app.command("zero-shot")(zero_shot.zero_shot)
app.command("report")(eval_report.report)
app.command("layouts")(eval_layouts.layouts)
app.command("blind")(eval_blind.blind)


@app.command()
def precision(
    groups: Annotated[Path, typer.Argument(help="Labelled groups, as `cappy data mixture` or `build` writes them.")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Also write the figures as JSON.")] = None,  # noqa: UP045
    model: Model = None,
    layout: Layout = None,
    threads: Threads = 0,
) -> None:
    """Compare int8 with fp32 on labelled groups: accuracy, agreement of the orders, differences, speed."""
    from dataclasses import asdict

    from cappy.data.store import read_groups
    from cappy.evaluation.precision import compare
    from cappy.files import write_json

    exact, rounded = (load_scorer(model, "onnx", layout, name, threads) for name in ("fp32", "int8"))
    labelled = list(read_groups(groups))
    if not labelled:
        raise InputError(f"{groups} holds no groups.")
    result = asdict(compare(exact, rounded, labelled))
    for name, value in result.items():
        typer.echo(f"{name:18} {value:.4f}" if isinstance(value, float) else f"{name:18} {value}")
    if output:
        write_json(output, result)
