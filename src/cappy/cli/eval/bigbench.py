"""`cappy eval bigbench`: the paper's second experiment, with any language model."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from cappy.cli.options import BaseUrl, Chat, Llm, LlmKey, Model, Threads, load_scorer
from cappy.errors import InputError, MissingExtraError


def bigbench(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of samples, results and report; an interrupted run resumes.")
    ],
    llm: Llm = "smollm2",
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the tasks; by default that of `cappy data fetch bigbench`."),
    ] = None,
    hub: Annotated[str, typer.Option(help="Hub data set for tasks that the folder lacks.")] = "",
    profile: Annotated[
        str,
        typer.Option(help="quick (40 training, 20 validation examples per task), paper (all), or tiny (a trial)."),
    ] = "quick",
    task: Annotated[Optional[list[str]], typer.Option(help="Only this task; repeat for several.")] = None,  # noqa: UP045
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Start no further task after this many minutes; the same command resumes."),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Confidence at which adaptive sampling stops.")] = 0.8,
    shots: Annotated[int, typer.Option(min=0, help="Worked examples in every prompt of the language model.")] = 0,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Also train the scorer on each task (needs torch; minutes per task).")
    ] = False,
    keep_scorers: Annotated[bool, typer.Option(help="Keep the adapted scorer of each task (45 MB each).")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of examples, samples and training.")] = 0,
    model: Model = None,
    threads: Threads = 0,
) -> None:
    """Run best of n on BIG-Bench's 45 generative tasks: sample, learn to choose on each task, compare selectors.

    All samples and finished tasks are kept; the same command resumes an interrupted run.
    """
    try:
        from cappy.evaluation.bigbench.run import PROFILES, TaskRun, open_samples, run_task, weights_hash
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("the benchmark", "llm") from error
    from cappy.data.bigbench import GENERATIVE_TASKS, available_tasks
    from cappy.evaluation.bigbench.report import write_report
    from cappy.files.archives import cache_folder
    from cappy.llm.find import find_llm

    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is unknown; choose one of {', '.join(PROFILES)}.")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = source or cache_folder() / "bigbench"
    tasks = list(task or (GENERATIVE_TASKS if hub else available_tasks(folder)))
    if not tasks:
        raise InputError(f"{folder} has none of the tasks; download them with: cappy data fetch bigbench")
    scorer = load_scorer(model, "onnx", None, None, threads)
    # The context is large because a character of Hindi or of a phonetic alphabet may take several tokens.
    language_model = find_llm(
        llm, base_url=base_url, api_key=api_key, chat=chat, context=4096, threads=threads, servers=0
    )
    kept = open_samples(language_model, output)
    run = TaskRun(folder, output, PROFILES[profile], seed, keep_scorers, shots, finetune, hub)
    begun = time.monotonic()
    results: list[dict[str, Any]] = []
    for number, name in enumerate(tasks, 1):
        if minutes is not None and time.monotonic() - begun > 60 * minutes:
            typer.echo(f"stopped after {minutes:g} minutes with {len(results)} of {len(tasks)} tasks done", err=True)
            break

        def tell(what: str, place: str = f"{number}/{len(tasks)} {name}") -> None:
            typer.echo(f"{(time.monotonic() - begun) / 60:6.1f} min  {place}: {what}", err=True)

        results.append(run_task(name, kept, scorer, run, tell))
    if results:
        others = [f"--task {name}" for name in task or []]
        others += [f"{flag} {value}" for flag, value in (("-m", model), ("--shots", shots)) if value]
        others += ["--finetune"] if finetune else []
        others += ["--base-url URL"] if base_url else []
        others += [f"--hub {hub}"] if hub else []
        others += [] if chat is None else ["--chat" if chat else "--no-chat"]
        mean = sum(one.get("worked_examples", 0) for one in results) / len(results)
        worked = f"{shots} requested, {mean:.1f} shown on average (the rest did not fit)"
        facts = {
            "llm": language_model.name,
            "scorer": scorer.checkpoint.folder.name,
            "weights": f"sha256 {weights_hash(scorer.checkpoint.folder)[:16]} (with config.json)",
            "profile": str(run.profile),
            "worked examples": worked if shots else 0,
            "seed": seed,
            "command": " ".join(["cappy eval bigbench", f"--llm {llm} --profile {profile} --seed {seed}", *others]),
        }
        path = write_report(results, facts, output, threshold)
        typer.echo(path.read_text(encoding="utf-8"))
