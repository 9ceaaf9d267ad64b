"""A cache of encoded instructions (keys and values of every layer) with a memory limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Prefix = tuple[int, ...]

SHORTEST = 32
"""Minimum length of a cached instruction in tokens: shorter ones are cheaper to encode than to cache."""
SEEN = 1024
"""How many recent instructions are remembered as seen."""


class PrefixCache:
    """Caches encoded instructions from the second time they are seen; evicts the least recently used.

    Thread-safe. `hits` and `misses` count only instructions seen before; `bytes` is the memory in use.
    """

    def __init__(self, limit: int) -> None:
        """Use at most `limit` bytes."""
        self._limit = limit
        self._kept: OrderedDict[Prefix, Floats] = OrderedDict()
        self._seen: OrderedDict[Prefix, None] = OrderedDict()
        self._lock = Lock()
        self.hits = self.misses = self.bytes = 0

    def look_up(self, prefixes: Sequence[Prefix]) -> tuple[list[Floats | None], list[bool]]:
        """Return the cached value of each instruction (or None), and whether each is worth caching once encoded."""
        found: list[Floats | None] = []
        wanted = []
        with self._lock:
            for prefix in prefixes:
                worth = len(prefix) >= SHORTEST and prefix in self._seen
                kept = self._kept.get(prefix) if worth else None
                if kept is not None:
                    self._kept.move_to_end(prefix)
                self.hits += kept is not None
                self.misses += worth and kept is None
                found.append(kept)
                wanted.append(worth and kept is None)
            for prefix in prefixes:
                self._seen[prefix] = None
                self._seen.move_to_end(prefix)
            while len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        return found, wanted

    def keep(self, prefix: Prefix, encoded: Floats) -> None:
        """Cache an instruction's keys and values, unless they exceed the limit on their own."""
        if encoded.nbytes > self._limit:
            return
        encoded = encoded.copy()  # a view would keep the keys and values of its whole batch
        with self._lock:
            self.bytes += encoded.nbytes - (self._kept[prefix].nbytes if prefix in self._kept else 0)
            self._kept[prefix] = encoded
            self._kept.move_to_end(prefix)
            while self.bytes > self._limit:
                self.bytes -= self._kept.popitem(last=False)[1].nbytes
