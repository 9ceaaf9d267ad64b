"""Encoded instructions (keys and values of every layer), kept across calls within a bound of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Prefix = tuple[int, ...]

SHORTEST = 32
"""Tokens of the shortest instruction that is kept: shorter ones cost less to encode than to look after."""
SEEN = 1024
"""How many instructions back one counts as seen before."""


class PrefixCache:
    """Keeps what instructions were encoded to, from the second time they are seen; the least recently used go first.

    Threads may share one. `hits` and `misses` count instructions that were seen before, `bytes` what is kept.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes."""
        self._limit = limit
        self._kept: OrderedDict[Prefix, Floats] = OrderedDict()
        self._seen: OrderedDict[Prefix, None] = OrderedDict()
        self._lock = Lock()
        self.hits = self.misses = self.bytes = 0

    def look_up(self, prefixes: Sequence[Prefix]) -> tuple[list[Floats | None], list[bool]]:
        """Return what is kept of each instruction (None: nothing), and which are worth keeping once encoded."""
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
        """Keep an instruction's keys and values, unless they alone are over the limit."""
        if encoded.nbytes > self._limit:
            return
        with self._lock:
            self.bytes += encoded.nbytes - (self._kept[prefix].nbytes if prefix in self._kept else 0)
            self._kept[prefix] = encoded
            self._kept.move_to_end(prefix)
            while self.bytes > self._limit:
                self.bytes -= self._kept.popitem(last=False)[1].nbytes
