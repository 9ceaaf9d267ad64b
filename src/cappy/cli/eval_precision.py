"""`cappy eval precision`: what int8 costs."""

from __future__ import annotations

from typing import Annotated

import typer

from cappy.cli.labelled import Figures, Labelled, Rows, read_labelled, show_figures
from cappy.cli.options import Layout, Model, Threads, load_scorer


def precision(
    groups: Labelled,
    rows: Rows = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which groups are drawn.")] = 0,
    output: Figures = None,
    model: Model = None,
    layout: Layout = None,
    threads: Threads = 0,
) -> None:
    """Compare int8 with fp32 on labelled groups: accuracy, agreement of the orders, differences, speed."""
    from dataclasses import asdict

    from cappy.evaluation.labelled.precision import compare
    from cappy.files import check_output

    if output:
        check_output(output)
    labelled = read_labelled(groups, rows, seed)
    exact, rounded = (load_scorer(model, "onnx", layout, name, threads) for name in ("fp32", "int8"))
    show_figures(asdict(compare(exact, rounded, labelled)), output)
