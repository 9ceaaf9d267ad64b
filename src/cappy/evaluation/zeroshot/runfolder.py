"""A run's folder: a file of predictions per task, and a manifest that describes the system and the settings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cappy
from cappy.errors import InputError
from cappy.evaluation.zeroshot.predictions import Prediction, TaskPredictions, read_predictions, write_predictions
from cappy.evaluation.zeroshot.tasks import TASKS
from cappy.files.atomic import sha256, write_json

MANIFEST = "manifest.json"
FORMAT = 1
KNOWN = frozenset(task.name for task in TASKS)


@dataclass(frozen=True)
class Run:
    """A measured system: `temperatures` by scoring rule, and the predictions of each task in order.

    `settings`: everything the predictions depend on, which is the system's identity and the draw of rows.
    """

    system: str
    temperatures: Mapping[str, float]
    tasks: tuple[TaskPredictions, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


class RunFolder:
    """A folder of predictions, written task by task; finished tasks are not scored again."""

    def __init__(self, path: Path, system: str, temperatures: Mapping[str, float], settings: Mapping[str, Any]) -> None:
        """Open or make the folder.

        Raises:
            InputError: it holds predictions of another system or with other settings, or cannot be written.

        """
        self.path = path
        self.hash = hash_of(settings)
        self._manifest: dict[str, Any] = {
            "format": FORMAT,
            "cappy": cappy.__version__,
            "system": system,
            "temperatures": dict(temperatures),
            "settings": dict(settings),
            "settings_hash": self.hash,
            "tasks": {},
        }
        if (path / MANIFEST).exists():
            known = _read_manifest(path)
            if known["settings_hash"] != self.hash:
                raise InputError(
                    f"{path} holds predictions of {known['system']} with other settings; give a new folder."
                )
            self._manifest["tasks"] = known["tasks"]
        else:
            if path.exists() and (not path.is_dir() or any(path.glob("*"))):
                raise InputError(f"{path} is used for something else; give a new folder.")
            path.mkdir(parents=True, exist_ok=True)
        self._save()

    def file(self, task: str) -> Path:
        """Return the file of a task's predictions; different names have different files."""
        plain = re.sub(r"[^a-z0-9]+", "-", task.casefold()).strip("-")
        mark = "" if task in KNOWN or plain == task else f"-{hash_of(task)[:8]}"
        return self.path / f"{plain or 'task'}{mark}.jsonl"

    def has(self, task: str) -> bool:
        """Tell whether the folder has predictions of a task."""
        return "file" in self._manifest["tasks"].get(task, {})

    def finished(self, task: str, key: str) -> TaskPredictions | None:
        """Return a task's predictions if they are complete and made from the same rows and templates."""
        entry = self._manifest["tasks"].get(task, {})
        file = self.path / Path(entry.get("file", "")).name
        if entry.get("key") != key or not file.is_file() or sha256(file) != entry["sha256"]:
            return None
        return _read_task(self.path, task, entry)

    def save(self, task: TaskPredictions) -> None:
        """Write a task's predictions, then list them in the manifest; a task without any is only listed."""
        entry: dict[str, Any] = {"rows": task.rows, "key": task.key, "notes": list(task.notes)}
        if task.predictions:
            file = self.file(task.task)
            write_predictions(file, task.predictions)
            entry |= {"file": file.name, "sha256": sha256(file), "predictions": len(task.predictions)}
        self._manifest["tasks"] = {**self._manifest["tasks"], task.task: entry}
        self._save()

    def _save(self) -> None:
        write_json(self.path / MANIFEST, self._manifest)


def read_run(path: Path) -> Run:
    """Read a run's folder.

    Raises:
        InputError: it is not a run's folder, or a file is missing or damaged.

    """
    manifest = _read_manifest(path)
    tasks = tuple(_read_task(path, name, entry) for name, entry in manifest["tasks"].items())
    return Run(manifest["system"], manifest["temperatures"], tasks, manifest["settings"])


def hash_of(value: Any) -> str:
    """Return a hash of any JSON value."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise InputError(f"{path} was written by another version of Cappy (format {found['format']}).")
        return {key: found[key] for key in ("system", "temperatures", "settings", "settings_hash", "tasks")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a folder of predictions ({error}).") from error


def _read_task(path: Path, name: str, entry: Mapping[str, Any]) -> TaskPredictions:
    predictions: tuple[Prediction, ...] = ()
    if entry.get("file"):
        file = path / Path(entry["file"]).name
        if not file.is_file() or sha256(file) != entry["sha256"]:
            raise InputError(f"{file} is missing or was changed; run the evaluation again.")
        predictions = read_predictions(file)
    return TaskPredictions(name, int(entry["rows"]), predictions, tuple(entry["notes"]), str(entry["key"]))
