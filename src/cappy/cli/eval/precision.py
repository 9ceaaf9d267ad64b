"""`cappy eval precision`: what int8 or bf16 costs."""

from __future__ import annotations

from typing import Annotated

import typer

from cappy.cli.labelled import Figures, Labelled, Rows, Seed, read_labelled, show_figures
from cappy.cli.options import Layout, Model, Threads, load_scorer


def compare_precisions(
    groups: Labelled,
    rows: Rows = None,
    seed: Seed = 0,
    precision: Annotated[str, typer.Option(help="Precision to compare with fp32: int8, or bf16 (torch).")] = "int8",
    output: Figures = None,
    model: Model = None,
    layout: Layout = None,
    threads: Threads = 0,
) -> None:
    """Compare int8 or bf16 with fp32 on labelled groups: accuracy, agreement of the orders, differences, speed."""
    from dataclasses import asdict

    from cappy.evaluation.labelled.precision import compare
    from cappy.files.atomic import check_output

    if output:
        check_output(output)
    labelled = read_labelled(groups, rows, seed)
    exact = load_scorer(model, "onnx", layout, "fp32", threads)
    rounded = load_scorer(model, "torch" if precision == "bf16" else "onnx", layout, precision, threads)
    show_figures(asdict(compare(exact, rounded, labelled)), output)
