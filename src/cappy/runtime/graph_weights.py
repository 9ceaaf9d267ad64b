"""The weights of an encoder's graph, derived from a checkpoint: cast, with scaled queries, rounded to int8."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.encoders.spec import EncoderSpec

Weights = Mapping[str, NDArray[Any]]


def graph_arrays(
    shapes: Mapping[str, tuple[int, ...]],
    weights: Weights,
    spec: EncoderSpec,
    levels: int,
    types: Mapping[str, Any] | None = None,
) -> dict[str, NDArray[Any]]:
    """Derive the graph's weights with these names and shapes, layer by layer; `types` overrides types by name."""
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        layers.setdefault(name.rpartition(".")[0], {})[name] = shape

    def derive(stem: str) -> dict[str, NDArray[Any]]:
        derived = graph_weights(stem, layers[stem], weights, spec, levels)
        return {name: array.astype(types[name], copy=False) if types else array for name, array in derived.items()}

    with ThreadPoolExecutor() as pool:  # numpy releases the interpreter lock
        found = pool.map(derive, layers)
        return {name: array for part in found for name, array in part.items()}


def graph_weights(
    stem: str, shapes: Mapping[str, tuple[int, ...]], weights: Weights, spec: EncoderSpec, levels: int
) -> dict[str, NDArray[Any]]:
    """Derive the graph's weights of one layer, `shapes` by full name: cast, queries scaled, rounded to `levels` steps.

    A rounded matrix is read once for both its integers and its scales.
    """
    derived: dict[str, NDArray[Any]] = {}
    if f"{stem}.int8" in shapes:
        rows = shapes[f"{stem}.scale"][0]
        integers, scale = quantise(_scaled(stem, "weight", rows, weights, spec), levels)
        derived = {f"{stem}.int8": integers, f"{stem}.scale": scale}
    for name in shapes.keys() - derived.keys():
        leaf = name.rpartition(".")[2]
        derived[name] = np.ascontiguousarray(_scaled(stem, leaf, shapes[name][0], weights, spec))
    return derived


def _scaled(stem: str, leaf: str, rows: int, weights: Weights, spec: EncoderSpec) -> NDArray[np.float32]:
    """Return a weight in float32, scaled if it makes queries; of a fused weight, the part of `rows` rows."""
    whole, _, part = stem.partition("#")
    exact = weights[f"{whole}.{leaf}"].astype(np.float32)
    if part:
        exact = exact[int(part) * rows : (int(part) + 1) * rows]
    return exact / np.float32(np.sqrt(spec.head_size)) if stem.endswith(spec.names.query) else exact


def quantise(weight: NDArray[Any], levels: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a weight [out, in] to integers in [-levels, levels] with one symmetric scale per output channel.

    Returns the transposed integers [in, out] and the scales [out].
    """
    scale = np.maximum(np.maximum(weight.max(axis=1), -weight.min(axis=1)), 1e-12) / levels
    steps = weight / scale[:, None]
    return np.ascontiguousarray(np.rint(steps, out=steps).astype(np.int8).T), scale.astype(np.float32)
