"""Weights in 8-bit groups: a quarter of float32's size, accurate enough to be the only stored copy.

A weight NAME [rows, columns] is stored as `q:NAME` (int8, same shape) and `s:NAME` (float16 [rows, columns / 64]):
weight = q · s, with one scale for every 64 columns of a row. Other weights are stored as `r:NAME` in float16.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.errors import CheckpointError

GROUPS_FILE = "model.q8.safetensors"
GROUP = 64
_LEVELS = 127
Array = NDArray[Any]


def quantise_groups(weight: Array) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Quantise a weight [rows, columns] to 8-bit groups: integers of the same shape, scales [rows, columns / 64]."""
    parts = weight.astype(np.float32).reshape(len(weight), -1, GROUP)
    scales = np.maximum(np.abs(parts).max(-1) / _LEVELS, 1e-7).astype(np.float16)
    steps = np.rint(parts / scales[..., None].astype(np.float32)).clip(-_LEVELS, _LEVELS)
    return steps.reshape(weight.shape).astype(np.int8), scales


def dequantise_groups(steps: NDArray[np.int8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the weight [rows, columns] of integers and scales.

    Raises:
        ValueError: their shapes do not match.

    """
    _check_scales(steps, scales)
    parts = steps.reshape(len(steps), -1, GROUP).astype(np.float32)
    parts *= scales.astype(np.float32)[..., None]
    return parts.reshape(steps.shape)


def _check_scales(steps: Array, scales: Array) -> None:
    if scales.shape != (len(steps), steps.shape[1] // GROUP):
        raise ValueError(f"integers of shape {steps.shape} have scales of shape {scales.shape}")


def to_groups(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Convert weights to the stored form: matrices of whole groups are quantised, the rest becomes float16."""
    stored: dict[str, Array] = {}
    for name, weight in weights.items():
        if weight.ndim == 2 and len(weight) > 1 and weight.shape[1] % GROUP == 0:
            stored[f"q:{name}"], stored[f"s:{name}"] = quantise_groups(weight)
        else:
            stored[f"r:{name}"] = weight.astype(np.float16)
    return stored


class GroupedWeights(Mapping[str, Array]):
    """Weights by name, dequantised on access: float32, embedding tables float16.

    A runtime that quantises them again thus holds only one float32 weight at a time.
    """

    def __init__(self, stored: Mapping[str, Array]) -> None:
        """Take the stored parts.

        Raises:
            KeyError, ValueError: the parts of a weight do not match.

        """
        if strange := [key for key in stored if key[:2] not in ("q:", "s:", "r:")]:
            raise ValueError(f"{strange[0]!r} is not part of a weight")
        self._stored = stored
        self._names = {key[2:]: key for key in stored if not key.startswith("s:")}
        for name, key in self._names.items():
            if key.startswith("q:"):
                _check_scales(stored[key], stored[f"s:{name}"])

    def __getitem__(self, name: str) -> Array:
        """Dequantise a weight."""
        key = self._names[name]
        if key.startswith("r:"):
            return self._stored[key]
        exact = dequantise_groups(self._stored[key], self._stored[f"s:{name}"])
        return exact.astype(np.float16) if name.endswith("_embeddings.weight") else exact

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of weights."""
        return len(self._names)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes by name, without dequantising."""
        return {name: self._stored[key].shape for name, key in self._names.items()}

    def only(self, names: Collection[str]) -> GroupedWeights:
        """Return the weights with these names."""
        return GroupedWeights({key: array for key, array in self._stored.items() if key[2:] in names})


def read_groups(path: Path) -> GroupedWeights:
    """Read a file of 8-bit groups.

    Raises:
        CheckpointError: it is damaged, or its parts do not match.

    """
    try:
        return GroupedWeights(read_safetensors(path))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the 8-bit groups do not match ({error}).") from error


def read_safetensors(path: Path) -> dict[str, Array]:
    """Read all tensors of a file in their stored form.

    Raises:
        CheckpointError: it is damaged or incomplete.

    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete ({error}).") from error
