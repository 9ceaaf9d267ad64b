"""Position information for attention: buckets of distances, rotations, and local masks.

Buckets are those of T5 and MPNet (Raffel et al., 2020, section 2.1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
MAX_DISTANCE = 128
"""Larger distances share a bucket; a constant in transformers, absent from configs."""


def relative_buckets(relative: Ints, buckets: int) -> Ints:
    """Return the bucket of each relative position (key minus query): same shape, in [0, buckets).

    Half of the buckets are for keys after the query. In each half, the first half holds one distance per bucket and the
    rest logarithmically growing ranges. Computed in float32, as in transformers, so that the ranges have the same
    edges.
    """
    side = buckets // 2
    exact = side // 2
    distance = np.abs(relative)
    ratio = np.maximum(distance, 1).astype(np.float32) / np.float32(exact)
    steps = np.log(ratio) / np.float32(math.log(MAX_DISTANCE / exact)) * np.float32(side - exact)
    far = np.minimum(exact + steps.astype(np.int64), side - 1)
    chosen: Ints = np.where(distance < exact, distance, far) + side * (relative > 0)
    return chosen


def buckets_between(queries: Ints, keys: Ints, buckets: int) -> Ints:
    """Return the buckets of all pairs of positions, [rows, queries] and [rows, keys]: [rows, queries, keys]."""
    longest = int(max(queries.max(initial=0), keys.max(initial=0)))
    table = relative_buckets(np.arange(-longest, longest + 1, dtype=np.int64), buckets)
    found: Ints = table[keys[:, None, :] - queries[:, :, None] + longest]
    return found


def within_reach(queries: Ints, keys: Ints, reach: int) -> NDArray[np.bool_]:
    """Tell which positions are at most `reach` apart, from [rows, queries] and [rows, keys]: [rows, queries, keys]."""
    near: NDArray[np.bool_] = np.abs(keys[:, None, :] - queries[:, :, None]) <= reach
    return near


def rotations(positions: Ints, size: int, base: float) -> tuple[Floats, Floats]:
    """Return the cosines and sines of rotary position embeddings (Su et al., 2021): [tokens, size] each.

    The two halves of a head have the same angles.
    """
    frequencies = 1 / base ** (np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
    angles = positions[:, None].astype(np.float32) * np.tile(frequencies, 2).astype(np.float32)
    return np.cos(angles), np.sin(angles)
