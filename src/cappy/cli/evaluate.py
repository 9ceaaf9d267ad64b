"""`cappy eval`: measuring a scorer."""

from __future__ import annotations

import typer

from cappy.cli import eval_bigbench, eval_blind, eval_calibration, eval_layouts, eval_report, zero_shot
from cappy.cli.labelled import Figures, Labelled, read_labelled, show_figures
from cappy.cli.options import Layout, Model, Threads, load_scorer

app = typer.Typer(help="Measure a scorer.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Measure a scorer."""


app.command("bigbench")(eval_bigbench.bigbench)
app.command("zero-shot")(zero_shot.zero_shot)
app.command("report")(eval_report.report)
app.command("layouts")(eval_layouts.layouts)
app.command("blind")(eval_blind.blind)
app.command("calibration")(eval_calibration.calibration)


@app.command()
def precision(
    groups: Labelled,
    output: Figures = None,
    model: Model = None,
    layout: Layout = None,
    threads: Threads = 0,
) -> None:
    """Compare int8 with fp32 on labelled groups: accuracy, agreement of the orders, differences, speed."""
    from dataclasses import asdict

    from cappy.evaluation.precision import compare

    exact, rounded = (load_scorer(model, "onnx", layout, name, threads) for name in ("fp32", "int8"))
    show_figures(asdict(compare(exact, rounded, read_labelled(groups))), output)
