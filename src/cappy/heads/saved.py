"""A learnt classifier as files in its scorer's folder: `classifier.json` for what people read, arrays beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.groups import read_safetensors
from cappy.checkpoint.save import MANIFEST, write_manifest
from cappy.errors import CheckpointError, InputError
from cappy.files import atomic_folder

SETTINGS_FILE = "classifier.json"
ARRAYS_FILE = "classifier.safetensors"


def save_classifier(
    target: Path, scorer: Path, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Path:
    """Write the files of the folder `scorer`, settings (plain data) and arrays into `target`, and return it.

    Raises:
        InputError: something else is there, or a setting is no plain data.

    """
    from safetensors.numpy import save_file

    check_place(target)
    try:
        text = json.dumps(settings, indent=2, ensure_ascii=False)
    except TypeError as error:
        raise InputError(f"the classifier's labels or options cannot be kept ({error}).") from error
    with atomic_folder(target) as folder:
        for path in scorer.iterdir():
            if path.is_file() and path.name not in (SETTINGS_FILE, ARRAYS_FILE, MANIFEST):
                shutil.copyfile(path, folder / path.name)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS_FILE)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")
        write_manifest(folder)
    return target


def check_place(target: Path) -> None:
    """Refuse a place that holds anything but a classifier, which would be replaced.

    Raises:
        InputError: it does.

    """
    ours = target.is_dir() and (not any(target.iterdir()) or (target / SETTINGS_FILE).exists())
    if target.exists() and not ours:
        raise InputError(f"{target} is there and holds no classifier; name a new folder.")


def read_classifier(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `save_classifier` wrote.

    Raises:
        CheckpointError: the folder holds no classifier, or a file is damaged.

    """
    path = folder / SETTINGS_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{folder} holds no classifier: {SETTINGS_FILE} cannot be read.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}).") from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} does not hold an object.")
    return settings, read_safetensors(folder / ARRAYS_FILE)
