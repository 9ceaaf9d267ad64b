"""`cappy eval layouts`: the joint layout in other stacks against the shared one."""

from __future__ import annotations

from cappy.cli.labelled import Figures, Labelled, Rows, Seed, read_labelled, show_figures
from cappy.cli.options import Model, Precision


def layouts(
    groups: Labelled,
    rows: Rows = None,
    seed: Seed = 0,
    output: Figures = None,
    model: Model = None,
    precision: Precision = None,
) -> None:
    """Compare sentence-transformers and transformers (joint layout) with the joint and shared layouts here."""
    from dataclasses import asdict

    from cappy.checkpoint.find import find_checkpoint
    from cappy.evaluation.labelled.interoperability import compare_layouts
    from cappy.files.atomic import check_output

    if output:
        check_output(output)
    labelled = read_labelled(groups, rows, seed)
    result = asdict(compare_layouts(find_checkpoint(model), labelled, precision))
    show_figures(result, output, tiny=("cross_encoder", "pipeline"))
