"""`cappy eval answers`: choose among judged answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.cli.options import Layout, Model, Precision, Threads, load_scorer
from cappy.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cappy.data.answers import JudgedAnswers


def answers(
    files: Annotated[
        list[Path], typer.Argument(help="Judged answers: pairs, votes, or lists with the worth of each answer.")
    ],
    strengths: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="JSON object: the strength of each model, for files with a field response_MODEL per model."),
    ] = None,
    rows: Annotated[Optional[int], typer.Option(min=1, help="Use at most this many instructions of each file.")] = None,  # noqa: UP045
    of: Annotated[Optional[int], typer.Option(min=2, help="Draw this many answers from longer lists.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws and the bootstrap.")] = 0,
    similarity: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Also measure agreement by cosine under this sentence encoder (needs the extra 'train')."),
    ] = None,
    instruction: Annotated[str | None, typer.Option(help="Column of the instruction, if its name is unusual.")] = None,
    source: Annotated[Optional[str], typer.Option(help="Make one table for each value of this column.")] = None,  # noqa: UP045
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Also write the tables, as JSON (.json) or Markdown."),
    ] = None,
    model: Model = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Measure choosing among judged answers: how often the better of two is found, and how good the chosen one is.

    Cappy is compared with choices that need no scorer: a random answer, the first, the longest, the shortest, the one
    that agrees most with the others, and the most likely one if likelihoods are known.
    """
    from cappy.cli.output import print_table
    from cappy.evaluation.answers.report import COLUMNS, cells, figures, lead, markdown, title
    from cappy.evaluation.answers.systems import system_values
    from cappy.evaluation.answers.table import tables
    from cappy.files.atomic import atomic_file, check_output, write_json

    if output:
        check_output(output)
    columns = {name: column for name, column in (("instruction", instruction), ("source", source)) if column}
    read = _read(files, _strengths(strengths), columns, rows, of, seed)
    embed = None
    if similarity:
        from cappy.checkpoint.find import find_encoder
        from cappy.data.nearest import find_embedder

        embed = find_embedder(str(find_encoder(similarity)))
    scorer = load_scorer(model, "onnx", layout, precision, threads)
    found = tables(read, system_values(read, scorer, embed, progress=True), seed, "cappy")
    for table in found:
        print_table(title(table), COLUMNS, cells(table), numbers=range(1, len(COLUMNS)))
        typer.echo(lead(table) + "\n")
    used = scorer.checkpoint.folder.name
    if output and output.suffix == ".json":
        write_json(output, {"scorer": used, "seed": seed, "tables": figures(found)})
    elif output:
        drawn = f", {of} answers of each list" if of else ""
        about = f"Scorer {used}, seed {seed}{drawn}; {', '.join(path.name for path in files)}."
        with atomic_file(output) as beside:
            beside.write_text(markdown(found, about), encoding="utf-8")


def _strengths(path: Path | None) -> Mapping[str, float] | None:
    if path is None:
        return None
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON object ({error}).") from error
    if not isinstance(table, dict) or not all(isinstance(value, int | float) for value in table.values()):
        raise InputError(f"{path} must be a JSON object that maps models to numbers.")
    return table


def _read(
    files: list[Path],
    strengths: Mapping[str, float] | None,
    columns: Mapping[str, str],
    rows: int | None,
    of: int | None,
    seed: int,
) -> list[JudgedAnswers]:
    """Read rows with at least two answers, and draw rows and answers."""
    import random

    from cappy.data.answers import drawn_answers, read_answers

    found = []
    for path in files:
        read, problems = read_answers(path, strengths, columns)
        usable = [row for row in read if len(row.answers) > 1]
        for problem in problems[:3]:
            typer.echo(f"{problem.address} is left out: {problem.reason}", err=True)
        if len(problems) > 3:
            typer.echo(f"and {len(problems) - 3} more", err=True)
        if not usable:
            raise InputError(f"no instruction in {path} has two answers to choose from.")
        if rows is not None and rows < len(usable):
            usable = random.Random(f"{seed}:{path.name}").sample(usable, rows)
        found += [drawn_answers(row, of, seed) for row in usable]
    return found
