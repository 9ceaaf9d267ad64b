"""`cappy data`: build groups, download data, look at it."""

from __future__ import annotations

import typer

from cappy.cli.data import bigbench, build, contamination, fetch, mixture, report, sample, show

app = typer.Typer(help="Build and inspect training data.", no_args_is_help=True, rich_markup_mode=None)
app.command("build")(build.build)
app.command("sample")(sample.sample)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("contamination")(contamination.contamination)
app.command("mixture")(mixture.mixture)
app.command("fetch")(fetch.fetch)
app.command("bigbench")(bigbench.bigbench)
