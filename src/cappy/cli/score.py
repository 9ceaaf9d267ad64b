"""`cappy score`: a file of rows in, the same rows with scores out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cappy.cli.options import Layout, Model, Precision, Runtime, Threads, load_scorer

SHOWN = 20


def score(
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV or Parquet; - reads JSON lines from standard input.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write; by its ending. - is standard output.")
    ],
    instruction_column: Annotated[str, typer.Option(help="Column of the instruction.")] = "instruction",
    response_column: Annotated[str, typer.Option(help="Column of a single response.")] = "response",
    responses_column: Annotated[str, typer.Option(help="Column of a list of responses.")] = "responses",
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Score every row of a file.

    A row has an instruction and a response, or a list of responses; the output has the same rows with
    "score" or "scores" added, and "tokens_cut" for what did not fit. Broken rows are reported and left
    out, the rest is done, and the exit code is 1. Run the same command again to go on where an interrupted run stopped.
    """
    from cappy.files.progress import progress_bar
    from cappy.files.rows import json_rows, scan_rows
    from cappy.files.tables import check_table_output, json_line, write_rows
    from cappy.scale.score_file import Columns, score_file, score_stream

    scorer = load_scorer(model, runtime, layout, precision, threads)
    columns = Columns(instruction_column, response_column, responses_column)
    bad = 0

    def report(number: int, reason: str) -> None:
        nonlocal bad
        bad += 1
        if bad <= SHOWN:
            typer.echo(f"cappy: {file}, line {number}: {reason}; left out.", err=True)

    if "-" in (str(file), str(output)):
        rows = json_rows(sys.stdin.buffer) if str(file) == "-" else scan_rows(file)
        scored = score_stream(scorer, rows, columns, report)
        if str(output) == "-":
            for row in scored:
                sys.stdout.buffer.write(json_line(row))
                sys.stdout.buffer.flush()
        else:
            check_table_output(output)
            whole = list(scored)
            write_rows(output, lambda: whole)
    else:
        with progress_bar("scoring", None) as advance:
            score_file(scorer, file, output, columns, report, advance)
    if bad:
        more = f" (the first {SHOWN} are shown)" if bad > SHOWN else ""
        typer.echo(f"cappy: {bad} rows could not be used{more}; the others are done.", err=True)
        raise typer.Exit(1)
