"""`cappy score`: add scores to a file of rows."""

from __future__ import annotations

import sys
from io import BufferedReader
from pathlib import Path
from typing import Annotated, cast

import typer

from cappy.cli.options import Layout, Model, Precision, Ray, RayGpus, RayWorkers, Runtime, Threads, load_scorer
from cappy.errors import InputError

SHOWN = 20


def score(
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV or Parquet; - reads JSON lines from standard input.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Output file; the extension sets the format. - is standard output.")
    ],
    instruction_column: Annotated[str, typer.Option(help="Column of the instruction.")] = "instruction",
    response_column: Annotated[str, typer.Option(help="Column of a single response.")] = "response",
    responses_column: Annotated[str, typer.Option(help="Column of a list of responses.")] = "responses",
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    ray_gpus: RayGpus = 0.0,
) -> None:
    """Score every row of a file.

    A row has an instruction and a response, or a list of responses. The output has the same rows with "score" or
    "scores" added, and "tokens_cut" for the tokens that did not fit. Broken rows are reported and skipped, and the
    exit code is 1. To resume an interrupted run, run the same command again.

    From standard input to standard output, rows are scored as they arrive.

    With --ray, many workers score the file, each with --threads cores (default: 1). All nodes must see the file under
    the same path. The output is the same.
    """
    from cappy.files.arrivals import arriving_rows
    from cappy.files.progress import progress_bar
    from cappy.files.rows import scan_rows
    from cappy.files.tables import check_table_output, json_line, write_rows
    from cappy.scale.score_file import STREAM_CHUNK, Columns, in_chunks, score_file, score_stream

    if ray_gpus and runtime != "torch":
        raise InputError("--ray-gpus needs --runtime torch: only torch computes on GPUs.")
    scorer = load_scorer(model, runtime, layout, precision, threads)
    columns = Columns(instruction_column, response_column, responses_column)
    bad = 0

    def report(number: int, reason: str) -> None:
        nonlocal bad
        bad += 1
        if bad <= SHOWN:
            place = "standard input" if str(file) == "-" else file
            typer.echo(f"cappy: {place}, line {number}: {reason}; skipped.", err=True)

    if "-" in (str(file), str(output)):
        if ray:
            raise InputError("--ray needs an input file and an output file.")
        if str(file) == "-":
            chunks = arriving_rows(cast("BufferedReader", sys.stdin.buffer), STREAM_CHUNK)
        else:
            chunks = in_chunks(scan_rows(file), STREAM_CHUNK)
        scored = score_stream(scorer, chunks, columns, report)
        if str(output) == "-":
            for row in scored:
                sys.stdout.buffer.write(json_line(row))
                sys.stdout.buffer.flush()
        else:
            check_table_output(output)
            whole = list(scored)
            write_rows(output, lambda: whole)
    elif ray:
        from cappy.scale.cluster import joined
        from cappy.scale.score_cluster import Workers, cluster_outcomes

        workers = Workers(ray_workers, threads or 1, ray_gpus)
        with joined(ray), progress_bar("scoring", None) as advance:
            outcomes = cluster_outcomes(scorer, file, columns, workers)
            score_file(scorer, file, output, columns, report, advance, outcomes)
    else:
        with progress_bar("scoring", None) as advance:
            score_file(scorer, file, output, columns, report, advance)
    if bad:
        more = f" (the first {SHOWN} are shown)" if bad > SHOWN else ""
        typer.echo(f"cappy: {bad} rows could not be scored{more}; the others were.", err=True)
        raise typer.Exit(1)
