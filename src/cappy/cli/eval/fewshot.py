"""`cappy eval few-shot`: learn from few labels, compared with the usual methods."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from cappy.cli.options import Model, Precision, Threads, load_scorer
from cappy.errors import InputError

if TYPE_CHECKING:
    from cappy.evaluation.fewshot.systems import FewShot
    from cappy.scorer import Scorer

ENCODERS = ("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-mpnet-base-v2")
BASELINES = ("zero-shot", "words", "embeddings", "setfit")


def few_shot(
    sets: Annotated[Path, typer.Argument(help="A file of labelled texts, or a JSON list of sets.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the sets' files; the list's folder by default.")] = None,
    sizes: Annotated[str, typer.Option(help="Examples per class, separated by commas.")] = "4,8,16,32,64",
    seeds: Annotated[int, typer.Option(min=1, help="Number of draws at every size.")] = 5,
    test_rows: Annotated[int, typer.Option(min=1, help="Use at most this many test texts of each set.")] = 1000,
    baseline: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help=f"One of {', '.join(BASELINES)}; repeat for several. The first three by default."),
    ] = None,
    encoder: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Sentence encoder of the embeddings baseline; repeat for several. MiniLM and MPNet by default."
        ),
    ] = None,
    times: Annotated[bool, typer.Option(help="Also time a fit at every size, including encoding the texts.")] = True,
    only: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="Only the set of this name; repeat for several."),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Folder for report.md, report.json and report.html."),
    ] = None,
    model: Model = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Learn from few labelled texts: Cappy against TF-IDF or embeddings with logistic regression, and SetFit.

    Every system gets the same examples and the same test texts.
    """
    from cappy.evaluation.fewshot.report import figures, html, markdown
    from cappy.evaluation.fewshot.run import Measured, measure
    from cappy.evaluation.fewshot.sets import read_plans, read_set, sets_as_json
    from cappy.files.atomic import write_json

    counts = _sizes(sizes)
    folder = data or sets.parent
    plans = [plan for plan in read_plans(sets) if not only or plan.name in only]
    if not plans:
        raise InputError(f"{sets} lists no set with that name.")
    most = round(1.5 * max(counts))  # so that draws of the largest size differ too
    read = [read_set(folder, plan, most, test_rows, 0) for plan in plans]
    scorer = load_scorer(model, "onnx", None, precision, threads)
    systems = _systems(scorer, baseline or list(BASELINES[:3]), encoder or list(ENCODERS))
    begun = time.monotonic()
    found: list[Measured] = []
    for rows in read:
        found += measure(
            rows,
            systems,
            counts,
            seeds,
            lambda what: typer.echo(f"{(time.monotonic() - begun) / 60:6.1f} min  {what}", err=True),
            times,
        )
    about = f"Scorer {scorer.checkpoint.folder.name}, {seeds} seeds, at most {test_rows} test texts per set."
    text = markdown(found, counts, about)
    typer.echo(text)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "report.md").write_text(text, encoding="utf-8")
        facts = {"scorer": scorer.checkpoint.folder.name, "seeds": seeds, "sets": sets_as_json(read)}
        write_json(output / "report.json", figures(found, counts, facts))
        (output / "report.html").write_text(html(found, counts, about), encoding="utf-8")


def _sizes(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--sizes {text!r} should look like 4,8,16.") from error
    if any(size < 1 for size in found):
        raise InputError("--sizes must be whole numbers of at least 1.")
    return found


def _systems(scorer: Scorer, baselines: list[str], encoders: list[str]) -> list[FewShot]:
    from cappy.evaluation.fewshot.systems import Cappy, Embeddings, Encodings, SetFit, WordCounts

    unknown = set(baselines) - set(BASELINES)
    if unknown:
        raise InputError(f"--baseline {sorted(unknown)[0]!r} is unknown; choose from {', '.join(BASELINES)}.")
    encodings = Encodings(scorer)
    found: list[FewShot] = [Cappy(encodings)]
    if "zero-shot" in baselines:
        found.append(Cappy(encodings, learns=False))
    if "words" in baselines:
        found.append(WordCounts())
    if "embeddings" in baselines:
        found += [Embeddings(name) for name in encoders]
    if "setfit" in baselines:
        found += [SetFit(name) for name in encoders[:1]]
    return found
