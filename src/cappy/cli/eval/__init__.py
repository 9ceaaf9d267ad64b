"""`cappy eval`: measure a scorer."""

from __future__ import annotations

import typer

from cappy.cli.eval import answers as eval_answers
from cappy.cli.eval import bigbench as eval_bigbench
from cappy.cli.eval import blind as eval_blind
from cappy.cli.eval import calibration as eval_calibration
from cappy.cli.eval import fewshot as eval_fewshot
from cappy.cli.eval import layouts as eval_layouts
from cappy.cli.eval import precision as eval_precision
from cappy.cli.eval import report as eval_report
from cappy.cli.eval import zero_shot as eval_zero_shot

app = typer.Typer(help="Measure a scorer.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Measure a scorer."""


app.command("bigbench")(eval_bigbench.bigbench)
app.command("answers")(eval_answers.answers)
app.command("zero-shot")(eval_zero_shot.zero_shot)
app.command("few-shot")(eval_fewshot.few_shot)
app.command("report")(eval_report.report)
app.command("layouts")(eval_layouts.layouts)
app.command("blind")(eval_blind.blind)
app.command("calibration")(eval_calibration.calibration)
app.command("precision")(eval_precision.compare_precisions)
