"""`cappy eval blind`: how well a scorer does without the instruction."""

from __future__ import annotations

from cappy.cli.labelled import Figures, Labelled, Rows, Seed, read_labelled, show_figures
from cappy.cli.options import Layout, Model, Precision, Threads, load_scorer


def blind(
    groups: Labelled,
    rows: Rows = None,
    seed: Seed = 0,
    output: Figures = None,
    model: Model = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Score groups with and without their instructions: the difference is what the instruction contributes."""
    from dataclasses import asdict

    from cappy.evaluation.labelled.blind import blindness
    from cappy.files.atomic import check_output

    if output:
        check_output(output)
    labelled = read_labelled(groups, rows, seed)
    scorer = load_scorer(model, "onnx", layout, precision, threads)
    show_figures(asdict(blindness(scorer, labelled, seed)), output)
