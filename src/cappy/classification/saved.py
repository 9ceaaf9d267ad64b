"""What a classifier keeps beside its scorer, written to a folder and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.sidecar import CLASSIFIER
from cappy.classification.examples import Learnt, Seen
from cappy.classification.head import Head
from cappy.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Taught:
    """What labels taught: the head, the texts it was fitted on, the report, and the threshold of `reject`."""

    head: Head
    seen: Seen
    report: Learnt
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class SavedClassifier:
    """Parameters by name, `offsets` [classes] added to logits, and what labels taught, if there were any."""

    parameters: Mapping[str, Any]
    offsets: NDArray[np.float64]
    taught: Taught | None = None


def write_classifier(folder: Path, scorer: Path, saved: SavedClassifier) -> Path:
    """Write the checkpoint in the folder `scorer` and the classifier into `folder`, atomically; return the folder.

    Raises:
        InputError: the folder exists and holds something else, or a parameter cannot be saved.

    """
    settings = dict(saved.parameters)
    arrays: dict[str, NDArray[Any]] = {"offsets": saved.offsets}
    if saved.taught is not None:
        head, seen = saved.taught.head, saved.taught.seen
        settings |= {"temperature": head.temperature, "scale": head.scale, "undecided": head.undecided}
        settings |= {"report": asdict(saved.taught.report), "threshold": saved.taught.threshold}
        arrays |= {"weight": head.weight.astype(np.float32), "features": seen.features.astype(np.float16)}
        arrays |= {"scores": seen.scores.astype(np.float32), "truth": seen.truth, "weights": seen.weights}
    return CLASSIFIER.save(folder, scorer, settings, arrays)


def read_classifier(folder: Path) -> SavedClassifier:
    """Read what `write_classifier` wrote.

    Raises:
        CheckpointError: the folder holds no classifier, or is damaged.

    """
    settings, arrays = CLASSIFIER.read(folder)
    try:
        taught = _taught(settings, arrays) if "weight" in arrays else None
        return SavedClassifier(settings, arrays["offsets"], taught)
    except (KeyError, TypeError) as error:
        raise unusable(folder, error) from error


def unusable(folder: Path, error: Exception) -> CheckpointError:
    """Return the error of a folder whose classifier cannot be used."""
    return CheckpointError(f"{folder}: {CLASSIFIER.settings_file} cannot be used ({error}).")


def _taught(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Taught:
    features, scores = arrays["features"].astype(np.float32), arrays["scores"].astype(np.float64)
    seen = Seen(features, scores, arrays["truth"], arrays["weights"])
    independent = bool(settings.get("multi_label", False))
    fitted = (settings["temperature"], settings["scale"], independent, settings["undecided"])
    threshold = settings["threshold"]
    report = Learnt(**settings["report"])
    head = Head(arrays["weight"].astype(np.float64), *fitted)
    return Taught(head, seen, report, None if threshold is None else float(threshold))
