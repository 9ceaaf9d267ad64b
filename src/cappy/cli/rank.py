"""`cappy rank`: rank candidate responses to an instruction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.cli.options import (
    AsJson,
    Layout,
    Model,
    Precision,
    Runtime,
    Threads,
    gather_texts,
    load_scorer,
    read_instruction,
)
from cappy.cli.output import print_json, print_table
from cappy.errors import InputError


def rank(
    instruction: Annotated[str, typer.Argument(help="The instruction; - reads it from standard input.")],
    candidates: Annotated[
        list[str] | None, typer.Argument(help="Responses to rank; - reads them from standard input, one per line.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read candidates from a file, one per line.")
    ] = None,
    top_k: Annotated[Optional[int], typer.Option(min=1, help="Show only the best K.")] = None,  # noqa: UP045
    as_json: AsJson = False,
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Rank candidate responses to an instruction, best first.

    Example: cappy rank "The soup was cold. Is this review positive or negative?" positive negative
    """
    instruction = read_instruction(instruction)
    texts = gather_texts(candidates or [], file)
    if not texts:
        raise InputError(
            "there are no candidates: give them as arguments, with --file FILE, or with - on standard input."
        )
    ranking = load_scorer(model, runtime, layout, precision, threads).rank(instruction, texts, top_k)
    if as_json:
        results = []
        for item in ranking:
            result = {"index": item.index, "score": item.score, "text": item.text}
            if item.cut:
                result["tokens_cut"] = {"instruction": item.cut.instruction, "response": item.cut.response}
            results.append(result)
        print_json({"instruction": instruction, "results": results})
        return
    rows = [
        [str(place), f"{item.score:.4f}", (item.text or "(empty)") + (f"  [{item.cut}]" if item.cut else "")]
        for place, item in enumerate(ranking, 1)
    ]
    print_table("", ["", "score", "candidate"], rows, numbers=(0, 1), bars=ranking.scores)
