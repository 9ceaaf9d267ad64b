"""`cappy data bigbench`: the paper's generative tasks as JSON lines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

from cappy.errors import InputError


def bigbench(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for TASK.train.jsonl and TASK.validation.jsonl.")
    ],
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the tasks; by default the one that `cappy data fetch bigbench` made."),
    ] = None,
    hub: Annotated[str, typer.Option(help="Hub data set for tasks that the folder lacks: tasksource/bigbench.")] = "",
) -> None:
    """Write the paper's 45 BIG-Bench tasks as JSON lines: task, subtask, instruction, references."""
    from cappy.cli.output import print_table
    from cappy.data.bigbench import GENERATIVE_TASKS, HUB, SPLITS, available_tasks, find_task
    from cappy.files.archives import cache_folder
    from cappy.files.rows import write_json_rows

    folder = source or cache_folder() / "bigbench"
    found = set(GENERATIVE_TASKS) if hub else set(available_tasks(folder))
    if not found:
        raise InputError(
            f"{folder} holds none of the tasks; download them with `cappy data fetch bigbench`, or give --hub {HUB}."
        )
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for task in GENERATIVE_TASKS:
        if task not in found:
            rows.append([task, "—", "—", "—"])
            continue
        parts = {split: find_task(folder, task, split, hub) for split in SPLITS}
        for split, examples in parts.items():
            write_json_rows(output / f"{task}.{split}.jsonl", (asdict(example) for example in examples))
        subtasks = len({example.subtask for example in parts["train"]})
        rows.append([task, *(str(len(parts[split])) for split in SPLITS), str(subtasks)])
    print_table("", ["task", "train", "validation", "subtasks"], rows, numbers=(1, 2, 3))
    missing = [task for task in GENERATIVE_TASKS if task not in found]
    typer.echo(f"{len(found)} of {len(GENERATIVE_TASKS)} tasks written to {output}")
    if missing:
        typer.echo(f"not in {folder}: {', '.join(missing)} (take them from the hub with --hub {HUB})")
