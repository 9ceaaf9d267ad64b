"""Files stored next to a scorer's own for what was learnt on top of it: settings in JSON, arrays in safetensors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.groups import read_safetensors
from cappy.checkpoint.save import MANIFEST, write_manifest
from cappy.errors import CheckpointError, InputError
from cappy.files.atomic import atomic_folder

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Beside:
    """A kind of learnt object: its file names, and its name in messages."""

    settings_file: str
    arrays_file: str
    what: str

    def check_place(self, target: Path) -> None:
        """Refuse a target that contains anything else, because saving would replace it.

        Raises:
            InputError: it contains something else.

        """
        ours = target.is_dir() and (not any(target.iterdir()) or (target / self.settings_file).exists())
        if target.exists() and not ours:
            raise InputError(f"{target} exists and is not a {self.what}; name a new folder.")

    def save(self, target: Path, scorer: Path, settings: Mapping[str, Any], arrays: Arrays) -> Path:
        """Write the scorer's files from the folder `scorer`, the settings and the arrays to `target`, and return it.

        Raises:
            InputError: the target contains something else, or a setting cannot be written as JSON.

        """
        from safetensors.numpy import save_file

        self.check_place(target)
        try:
            text = json.dumps(settings, indent=2, ensure_ascii=False)
        except TypeError as error:
            raise InputError(f"the {self.what}'s labels or options cannot be saved ({error}).") from error
        with atomic_folder(target) as folder:
            for path in scorer.iterdir():
                if path.is_file() and path.name not in (self.settings_file, self.arrays_file, MANIFEST):
                    shutil.copyfile(path, folder / path.name)
            contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            save_file(contiguous, folder / self.arrays_file)
            (folder / self.settings_file).write_text(text + "\n", encoding="utf-8")
            write_manifest(folder)
        return target

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Read what `save` wrote.

        Raises:
            CheckpointError: the folder contains no such object, or a file is damaged.

        """
        path = folder / self.settings_file
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(f"{folder} is not a {self.what}: {path.name} cannot be read.") from error
        except ValueError as error:
            raise CheckpointError(f"{path} is not JSON ({error}).") from error
        if not isinstance(settings, dict):
            raise CheckpointError(f"{path} is not a JSON object.")
        return settings, read_safetensors(folder / self.arrays_file)


CLASSIFIER = Beside("classifier.json", "classifier.safetensors", "classifier")
CHOOSING = Beside("choosing.json", "choosing.safetensors", "scorer that learnt to choose")
