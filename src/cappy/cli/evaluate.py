"""`cappy eval`: measuring a scorer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from cappy.cli.options import Layout, Model, Precision, Runtime, Threads, load_scorer
from cappy.errors import MissingExtraError

if TYPE_CHECKING:
    from cappy.group import Group

app = typer.Typer(help="Measure a scorer.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Measure a scorer."""


@app.command("zero-shot")
def zero_shot(
    data: Annotated[Path, typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of the tasks' rows.")],
    templates: Annotated[Path, typer.Option(envvar="CAPPY_TEMPLATES", help="Folder of PromptSource templates.")],
    task: Annotated[Optional[list[str]], typer.Option(help="Only this task; may be given again.")] = None,  # noqa: UP045
    rows: Annotated[Optional[int], typer.Option(min=1, help="Only the first rows of each task.")] = None,  # noqa: UP045
    similarity: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Also measure cosine similarity under this sentence encoder (a folder or hub name)."),
    ] = None,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Also write the results as JSON.")] = None,  # noqa: UP045
    model: Model = None,
    runtime: Runtime = "onnx",
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Accuracy on held-out classification tasks under all their original PromptSource templates."""
    from cappy.checkpoint.files import atomic_file
    from cappy.evaluation.report import percent, zero_shot_table
    from cappy.evaluation.tasks import find_tasks
    from cappy.evaluation.zeroshot import TaskResult, cosine_scores, evaluate_tasks

    scorer = load_scorer(model, runtime, layout, precision, threads)

    def scores(groups: Sequence[Group]) -> list[tuple[float, ...]]:
        return [scored.scores for scored in scorer.score_groups(groups)]

    systems: dict[str, Any] = {"mean": scores}
    if similarity:
        embed = _embedder(similarity)
        systems["similarity"] = lambda groups: cosine_scores(embed, groups)
    tasks = find_tasks(task or [])
    results: dict[str, list[TaskResult]] = {name: [] for name in systems}
    for name, system in systems.items():
        for result in evaluate_tasks(tasks, data, templates, system, rows):
            results[name].append(result)
            shown = percent(result.mean) if result.templates else result.note
            typer.echo(f"{name} {result.task}: {shown}", err=True)
    own = results.pop("mean")
    typer.echo(zero_shot_table(own, results))
    if output:
        everything = {"scorer": repr(scorer), "results": [result.summary() for result in own]}
        everything |= {name: [result.summary() for result in other] for name, other in results.items()}
        with atomic_file(output) as beside:
            beside.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


def _embedder(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("the similarity baseline", "compare") from error
    encoder = SentenceTransformer(name, device="cpu")
    return lambda texts: encoder.encode(list(texts), normalize_embeddings=True, batch_size=64)


@app.command()
def precision(
    groups: Annotated[Path, typer.Argument(help="Labelled groups, as `cappy data build` writes them.")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Also write the figures as JSON.")] = None,  # noqa: UP045
    model: Model = None,
    layout: Layout = None,
    threads: Threads = 0,
) -> None:
    """Compare int8 with fp32 on labelled groups: accuracy, agreement of the orders, differences, speed."""
    from dataclasses import asdict

    from cappy.checkpoint.files import atomic_file
    from cappy.data.store import read_groups
    from cappy.evaluation.precision import compare

    exact, rounded = (load_scorer(model, "onnx", layout, name, threads) for name in ("fp32", "int8"))
    result = asdict(compare(exact, rounded, list(read_groups(groups))))
    for name, value in result.items():
        typer.echo(f"{name:18} {value:.4f}" if isinstance(value, float) else f"{name:18} {value}")
    if output:
        with atomic_file(output) as beside:
            beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
