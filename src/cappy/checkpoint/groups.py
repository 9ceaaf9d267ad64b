"""Weights in 8-bit groups: a quarter of float32's size, exact enough to be the weights of record.

A weight NAME [rows, columns] is stored as `q:NAME` (int8, same shape) and `s:NAME` (float16 [rows, columns / 64]):
weight = q · s, one scale for every 64 columns of a row. What does not fit that form stands under `r:NAME` in float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
    """Round a weight [rows, columns] to 8-bit groups: integers of the same shape, scales [rows, columns / 64]."""
    parts = weight.astype(np.float32).reshape(len(weight), -1, GROUP)
    scales = np.maximum(np.abs(parts).max(-1) / _LEVELS, 1e-7).astype(np.float16)
    steps = np.rint(parts / scales[..., None].astype(np.float32)).clip(-_LEVELS, _LEVELS)
    return steps.reshape(weight.shape).astype(np.int8), scales


def dequantise_groups(steps: NDArray[np.int8], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the weight [rows, columns] that integers and their scales stand for.

    Raises:
        ValueError: their shapes do not go together.

    """
    if scales.shape != (len(steps), steps.shape[1] // GROUP):
        raise ValueError(f"integers of shape {steps.shape} have scales of shape {scales.shape}")
    parts = steps.reshape(len(steps), -1, GROUP).astype(np.float32)
    parts *= scales.astype(np.float32)[..., None]
    return parts.reshape(steps.shape)


def to_groups(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Bring weights into the stored form. Matrices of whole groups are rounded, the rest becomes float16."""
    stored: dict[str, Array] = {}
    for name, weight in weights.items():
        if weight.ndim == 2 and len(weight) > 1 and weight.shape[1] % GROUP == 0:
            stored[f"q:{name}"], stored[f"s:{name}"] = quantise_groups(weight)
        else:
            stored[f"r:{name}"] = weight.astype(np.float16)
    return stored


def from_groups(stored: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights by name: float32, embedding tables float16, in which they are looked up.

    Raises:
        KeyError, ValueError: the parts of a weight do not fit together.

    """
    if strange := [key for key in stored if key[:2] not in ("q:", "s:", "r:")]:
        raise ValueError(f"{strange[0]!r} is no part of a weight")
    names = [key[2:] for key in stored if not key.startswith("s:")]

    def weight(name: str) -> Array:
        if f"q:{name}" not in stored:
            return stored[f"r:{name}"]
        exact = dequantise_groups(stored[f"q:{name}"], stored[f"s:{name}"])
        return exact.astype(np.float16) if name.endswith("_embeddings.weight") else exact

    with ThreadPoolExecutor() as pool:  # numpy computes outside the interpreter's lock
        return dict(zip(names, pool.map(weight, names), strict=True))


def read_groups(path: Path) -> dict[str, Array]:
    """Read a file of 8-bit groups.

    Raises:
        CheckpointError: it is damaged, or its parts do not fit together.

    """
    try:
        return from_groups(read_safetensors(path))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the 8-bit groups do not fit together ({error}).") from error


def read_safetensors(path: Path) -> dict[str, Array]:
    """Read all tensors of a file as they are stored.

    Raises:
        CheckpointError: it is damaged or incomplete.

    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or incomplete ({error}).") from error
