"""`cappy eval calibration`: fit the temperature of a scorer's probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cappy.cli.labelled import Figures, Labelled, Rows, Seed, read_labelled, show_figures
from cappy.cli.options import Layout, Model, Precision, Threads, load_scorer


def calibration(
    groups: Labelled,
    rows: Rows = None,
    seed: Seed = 0,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write the temperature into the checkpoint, which must be a local folder."),
    ] = False,
    output: Figures = None,
    model: Model = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Fit the temperature of probabilities on half of the groups, and measure its effect on the other half."""
    from dataclasses import asdict

    from cappy.checkpoint.save import note_setting
    from cappy.errors import InputError
    from cappy.evaluation.labelled.calibration import calibrate
    from cappy.files.atomic import check_output

    if output:
        check_output(output)
    if write and (model is None or not Path(model).is_dir()):
        raise InputError("--write needs a local checkpoint folder; give it with --model.")
    scorer = load_scorer(model, "onnx", layout, precision, threads)
    found = calibrate(scorer, read_labelled(groups, rows, seed), seed)
    show_figures(asdict(found), output)
    if write:
        note_setting(scorer.checkpoint.folder, "temperature", round(found.temperature, 4))
        typer.echo(f"written to {scorer.checkpoint.folder / 'config.json'}", err=True)
