"""Text embeddings from a scorer: its mean states, projected to the embeddings of the encoder it started from.

Training as a scorer distorts what the states say about a text's meaning, most of all in the last layers, but does not
erase it: a linear map of a few layers' states, fitted on plain sentences, recovers most of the starting encoder's
embeddings (figures in docs/concepts/classifier.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cappy.checkpoint.groups import read_safetensors
from cappy.errors import CheckpointError
from cappy.files.atomic import atomic_file

Floats = NDArray[np.float32]

EMBEDDING_FILE = "embedding.safetensors"


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear map of the mean states of some layers, each scaled to length 1.

    `weight` [layers * hidden, width], `bias` [width], `middle` [layers * hidden] the average states, and `layers`,
    counted from 1.
    """

    weight: Floats
    bias: Floats
    middle: Floats
    layers: tuple[int, ...]

    def __call__(self, states: Floats) -> Floats:
        """Map mean states [texts, layers * hidden] to embeddings [texts, width] of length 1."""
        return unit_length(by_layer(states, len(self.layers)) @ self.weight + self.bias)

    def features(self, states: Floats) -> Floats:
        """Return the features of a head: the embedding and the centred states, together of length 1.

        [texts, width + layers * hidden].
        """
        besides = unit_length(by_layer(states, len(self.layers)) - self.middle)
        both: Floats = np.concatenate([self(states), besides], axis=1) * np.float32(0.5**0.5)
        return both


def by_layer(states: Floats, layers: int) -> Floats:
    """Scale each layer's part of states [texts, layers * hidden] to length 1."""
    parts = states.reshape(len(states), layers, states.shape[1] // layers)
    return unit_length(parts).reshape(states.shape)


def unit_length(vectors: Floats) -> Floats:
    """Scale vectors [..., width] to length 1; zero vectors stay."""
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return scaled


def read_projection(folder: Path, depth: int, hidden: int) -> Projection | None:
    """Read a checkpoint's projection for an encoder of `depth` layers and `hidden` width; None if it has none.

    Raises:
        CheckpointError: the file is damaged or does not fit the encoder.

    """
    path = folder / EMBEDDING_FILE
    if not path.exists():
        return None
    try:
        found = read_safetensors(path)
        weight, bias, middle = (np.asarray(found[name], dtype=np.float32) for name in ("weight", "bias", "middle"))
        layers = tuple(int(layer) for layer in found.get("layers", (depth,)))
    except (KeyError, OSError, ValueError, CheckpointError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}).") from error
    fits = weight.ndim == 2 and weight.shape[0] == len(layers) * hidden and (*middle.shape, *bias.shape) == weight.shape
    if not fits or not layers or list(layers) != sorted({layer for layer in layers if 0 < layer <= depth}):
        raise CheckpointError(f"{path}: a map of {weight.shape} does not fit an encoder of width {hidden}.")
    return Projection(weight, bias, middle, layers)


def write_projection(folder: Path, projection: Projection) -> None:
    """Write a projection to a checkpoint's folder, in float16."""
    from safetensors.numpy import save_file

    arrays = {"weight": projection.weight, "bias": projection.bias, "middle": projection.middle}
    halves = {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in arrays.items()}
    with atomic_file(folder / EMBEDDING_FILE) as beside:
        save_file(halves | {"layers": np.array(projection.layers, dtype=np.int32)}, beside)


def fit_projection(states: Floats, targets: Floats, layers: Sequence[int], ridge: float = 0.01) -> Projection:
    """Fit the projection from mean states [texts, layers * hidden] to embeddings [texts, width] by ridge regression.

    `ridge` is in units of the states' mean variance. Both sides are scaled to length 1, the states layer by layer.
    """
    inputs, wanted = by_layer(states, len(layers)).astype(np.float64), unit_length(targets).astype(np.float64)
    middle, mean = inputs.mean(axis=0), wanted.mean(axis=0)
    centred = inputs - middle
    covariance = centred.T @ centred
    penalty = ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weight = np.linalg.solve(covariance + penalty, centred.T @ (wanted - mean))
    weight, bias, middle = (part.astype(np.float32) for part in (weight, mean - middle @ weight, middle))
    return Projection(weight, bias, middle, tuple(layers))
