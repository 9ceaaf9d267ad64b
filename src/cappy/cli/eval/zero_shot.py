"""`cappy eval zero-shot`: accuracy on held-out tasks under all their templates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from cappy.cli.options import BatchCalibration, Layout, Model, Precision, Runtime, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from cappy.evaluation.zeroshot.predictions import TaskPredictions
    from cappy.evaluation.zeroshot.run import Questions
    from cappy.evaluation.zeroshot.runfolder import RunFolder
    from cappy.evaluation.zeroshot.systems import System
    from cappy.evaluation.zeroshot.tasks import Task
    from cappy.scorer import Scorer

Paths = Optional[list[Path]]  # noqa: UP045  # typer evaluates these on Python 3.10 as well
Names = Optional[list[str]]  # noqa: UP045
Place = Optional[Path]  # noqa: UP045
Name = Optional[str]  # noqa: UP045


_SCORER_OPTIONS = ("model", "runtime", "layout", "precision")


def zero_shot(
    context: typer.Context,
    data: Annotated[Place, typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of the tasks' rows.")] = None,
    templates: Annotated[
        Place,
        typer.Option(
            envvar="CAPPY_TEMPLATES", help="Folder of PromptSource templates; the downloaded ones by default."
        ),
    ] = None,
    task: Annotated[Names, typer.Option(help="Only this task; repeat for several.")] = None,
    rows_file: Annotated[Paths, typer.Option(help="Rows of your own set; repeat for several.")] = None,
    templates_of: Annotated[
        Names,
        typer.Option(help="Templates of each --rows-file, in the same order: a folder, or a name inside --templates."),
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Download what --data lacks from the Hugging Face hub.")] = False,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many rows of each task, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    similarity: Annotated[
        Name, typer.Option(help="Baseline: cosine similarity under this sentence encoder, instead of the scorer.")
    ] = None,
    llm: Annotated[
        Name,
        typer.Option(
            help="Baseline: a language model's log-likelihoods. smollm2, gemma3, a folder, hub name or .gguf file."
        ),
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Use the language model's chat template.")] = False,
    dtype: Annotated[
        Name, typer.Option(help="Data type of the language model: float32 by default; bfloat16 is faster.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Temperature of probabilities, fitted on other data; the scorer's by default."),
    ] = None,
    batch_calibration: BatchCalibration = 0.0,
    save: Annotated[
        Place, typer.Option(help="Save predictions and reports in this folder, and resume from it.")
    ] = None,
    output: Annotated[Place, typer.Option("--output", "-o", help="Also write the results as JSON.")] = None,
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Measure accuracy on held-out classification tasks under all their original PromptSource templates."""
    from cappy.cli.eval.report import describe_draw, write_reports
    from cappy.evaluation.zeroshot.report import (
        batch_calibration_note,
        comparison_table,
        json_report,
        notes,
        system_table,
    )
    from cappy.evaluation.zeroshot.run import open_run
    from cappy.evaluation.zeroshot.runfolder import Run, read_run
    from cappy.evaluation.zeroshot.summary import summarise
    from cappy.files.atomic import check_output, write_json

    tasks = _tasks(task or [], rows_file or [], templates_of or [])
    questions = _questions(data, templates, hub, rows, seed)
    if output:
        check_output(output)
    _check_options(context, similarity, llm, bool(chat or dtype))
    if similarity:
        system = _similarity(similarity, temperature, threads)
    elif llm:
        system = _language_model(llm, chat, dtype or "float32", temperature, threads)
    else:
        system = _scorer(load_scorer(model, runtime, layout, precision, threads), temperature)
    folder = open_run(save, system, questions) if save else None
    found = [_ask(one, questions, system, folder) for one in tasks]
    run = Run(system.name, system.temperatures, tuple(found))
    systems = summarise(run, batch_calibration=batch_calibration)
    if len(systems) == 1:
        typer.echo(system_table(systems[0]))
    else:
        said_of_them = [f"- {line}" for line in batch_calibration_note(systems)]
        typer.echo("\n".join([comparison_table(systems), *notes(systems[0]), *said_of_them]))
    settings = describe_draw(rows, seed)
    if output:
        write_json(output, json_report(systems, settings))
    if save:  # tasks saved by earlier calls are reported too
        write_reports(save, summarise(read_run(save), batch_calibration=batch_calibration), settings)
    if not any(one.predictions for one in found):
        raise InputError("no task could be measured; see above for what is missing.")


def _check_options(context: typer.Context, similarity: str | None, llm: str | None, language_model: bool) -> None:
    """Refuse options of a system that is not measured, because they would be ignored silently.

    `language_model`: whether options of a language model are given.
    """
    if similarity and llm:
        raise InputError("--similarity and --llm measure different systems; give one of them.")
    if language_model and not llm:
        raise InputError("--chat and --dtype are for a language model; give one with --llm.")
    sources = {name: context.get_parameter_source(name) for name in _SCORER_OPTIONS}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given and (similarity or llm):
        raise InputError(f"--{given[0]} is for a scorer, and {'--llm' if llm else '--similarity'} measures none.")


def _tasks(names: Sequence[str], files: Sequence[Path], templates: Sequence[str]) -> list[Task]:
    """Return the requested tasks: known ones by name and the user's own; all known ones if neither is given."""
    from cappy.evaluation.zeroshot.tasks import find_tasks, own_task

    if len(files) != len(templates):
        raise InputError(f"there are {len(files)} --rows-file but {len(templates)} --templates-of; give them in pairs.")
    own = [own_task(file, folder) for file, folder in zip(files, templates, strict=True)]
    known = find_tasks(names) if names or not own else []
    tasks = [*known, *own]
    twice = {one.name for one in tasks if [other.name for other in tasks].count(one.name) > 1}
    if twice:
        raise InputError(f"the task {sorted(twice)[0]!r} is given twice.")
    return tasks


def _questions(data: Path | None, templates: Path | None, hub: bool, rows: int | None, seed: int) -> Questions:
    """Return the places of rows and templates; the downloaded templates by default."""
    from cappy.evaluation.zeroshot.run import Questions
    from cappy.files.archives import cache_folder

    if data is not None and not data.is_dir():
        raise InputError(f"--data {data} is not a folder.")
    fetched = cache_folder() / "promptsource"
    if templates is None and fetched.is_dir():
        templates = fetched
    return Questions(data, templates, hub or data is None, rows, seed)


def _ask(task: Task, questions: Questions, system: System, folder: RunFolder | None) -> TaskPredictions:
    """Evaluate one task, with a progress bar on a terminal, and print its mean accuracy or why there is none."""
    from cappy.evaluation.formats import percent
    from cappy.evaluation.zeroshot.run import evaluate_task
    from cappy.evaluation.zeroshot.summary import task_figures

    found = evaluate_task(task, questions, system, folder, progress=sys.stderr.isatty())
    figures = [task_figures(found, rule, unit) for rule, unit in system.temperatures.items()]
    shown = ", ".join(percent(one.mean) for one in figures) if figures[0] else "; ".join(found.notes)
    typer.echo(f"{task.name}: {shown}", err=True)
    return found


def _scorer(scorer: Scorer, temperature: float | None) -> System:
    from cappy.evaluation.zeroshot.systems import ScorerSystem

    return ScorerSystem(scorer, temperature)


def _similarity(name: str, temperature: float | None, threads: int) -> System:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("the similarity baseline", "compare") from error
    _take_threads(threads)
    from cappy.checkpoint.find import packaged_encoder
    from cappy.checkpoint.packaged import fetched_encoder
    from cappy.evaluation.zeroshot.systems import SIMILARITY_TEMPERATURE, SimilaritySystem

    # The library finds all other names, because weights alone do not say how an encoder pools.
    place = packaged_encoder(name) or fetched_encoder(name) or Path(name)
    encoder = SentenceTransformer(str(place), device="cpu")

    def embed(texts: Sequence[str]) -> Any:
        return encoder.encode(list(texts), normalize_embeddings=True, batch_size=64)

    return SimilaritySystem(embed, name, SIMILARITY_TEMPERATURE if temperature is None else temperature, place)


def _take_threads(threads: int) -> None:
    """Limit torch to this many threads; 0 means all cores."""
    import torch

    if threads:
        torch.set_num_threads(threads)


def _language_model(name: str, chat: bool, dtype: str, temperature: float | None, threads: int) -> System:
    from cappy.evaluation.zeroshot.systems import LikelihoodSystem
    from cappy.llm.likelihood import TransformersLikelihood
    from cappy.llm.registry import GGUF_MODELS, gguf_file

    model = TransformersLikelihood(str(gguf_file(name)) if name in GGUF_MODELS else name, chat, dtype=dtype)
    _take_threads(threads)
    return LikelihoodSystem(model, chat, 1.0 if temperature is None else temperature)
