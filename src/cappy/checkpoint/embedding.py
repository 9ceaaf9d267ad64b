"""Embeddings of texts by a scorer: its mean last states, led back by one matrix to what a sentence encoder knew.

Training as a scorer bends the states away from what they said of a text's meaning, but does not lose it: a linear map
fitted on plain sentences gives most of the starting encoder's embeddings back (docs/classifying.md has figures).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.groups import read_safetensors
from cappy.errors import CheckpointError
from cappy.files import atomic_file

Floats = NDArray[np.float32]

EMBEDDING_FILE = "embedding.safetensors"


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear map of states: `weight` [hidden, width], `bias` [width], and `middle` [hidden], the usual state."""

    weight: Floats
    bias: Floats
    middle: Floats

    def __call__(self, states: Floats) -> Floats:
        """Map mean states [texts, hidden] to embeddings [texts, width] of length 1."""
        return unit_length(unit_length(states) @ self.weight + self.bias)

    def features(self, states: Floats) -> Floats:
        """Return embeddings and what the states say besides [texts, width + hidden], of length 1: what a head reads."""
        besides = unit_length(unit_length(states) - self.middle)
        both: Floats = np.concatenate([self(states), besides], axis=1) * np.float32(0.5**0.5)
        return both


def unit_length(vectors: Floats) -> Floats:
    """Scale vectors [..., width] to length 1; zeros stay."""
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return scaled


def read_projection(folder: Path, hidden: int) -> Projection | None:
    """Read a checkpoint's map; None where it has none.

    Raises:
        CheckpointError: the file is damaged or does not fit the encoder.

    """
    path = folder / EMBEDDING_FILE
    if not path.exists():
        return None
    try:
        found = read_safetensors(path)
        weight, bias, middle = (np.asarray(found[name], dtype=np.float32) for name in ("weight", "bias", "middle"))
    except (KeyError, OSError, ValueError, CheckpointError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error
    if weight.ndim != 2 or weight.shape[0] != hidden or (*middle.shape, *bias.shape) != weight.shape:
        raise CheckpointError(f"{path}: a map of {weight.shape} does not fit an encoder of width {hidden}.")
    return Projection(weight, bias, middle)


def write_projection(folder: Path, projection: Projection) -> None:
    """Write a map into a checkpoint's folder, in float16."""
    from safetensors.numpy import save_file

    arrays = {"weight": projection.weight, "bias": projection.bias, "middle": projection.middle}
    with atomic_file(folder / EMBEDDING_FILE) as beside:
        save_file({name: np.ascontiguousarray(array, dtype=np.float16) for name, array in arrays.items()}, beside)


def fit_projection(states: Floats, targets: Floats, ridge: float = 0.003) -> Projection:
    """Fit the map from mean states [texts, hidden] to embeddings [texts, width] by ridge regression.

    `ridge` is in units of the states' mean variance. Both sides are taken at length 1.
    """
    inputs, wanted = unit_length(states).astype(np.float64), unit_length(targets).astype(np.float64)
    middle, mean = inputs.mean(axis=0), wanted.mean(axis=0)
    centred = inputs - middle
    covariance = centred.T @ centred
    penalty = ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weight = np.linalg.solve(covariance + penalty, centred.T @ (wanted - mean))
    parts = (weight, mean - middle @ weight, middle)
    return Projection(*(part.astype(np.float32) for part in parts))
