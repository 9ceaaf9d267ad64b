"""The package archives that carry training and evaluation data."""

from __future__ import annotations

from pathlib import PurePosixPath

from cappy.data.bigbench import GENERATIVE_TASKS
from cappy.files.archives import Archive


def _template_file(path: PurePosixPath) -> bool:
    return path.name == "templates.yaml"


def _generative_task(path: PurePosixPath) -> bool:
    return (path.parts[0] in GENERATIVE_TASKS and path.name == "task.json") or path.name == "task_metadata.json"


ARCHIVES = {
    "promptsource": Archive(
        "promptsource",
        "promptsource-0.2.3.tar.gz",
        "f106c889778a0fe5590e7183904bf964e1a01691c8a29451e44f3df5ddef05f5",
        "promptsource-0.2.3/promptsource/templates",
        _template_file,
    ),
    "bigbench": Archive(
        "bigbench",
        "bigbench-1.0.0.tar.gz",
        "1bb398a5512c6d798cdebe0dfa0ac03f67f6033fa6b39c6ef71df978c7cbc5c2",
        "bigbench-1.0.0/bigbench/benchmark_tasks",
        _generative_task,
    ),
}
