"""The common part of graph runtimes: graphs are opened when first needed and fed by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cappy.encoders.spec import EncoderSpec
from cappy.layout.pack import Batch, few_sizes
from cappy.runtime.choose import BATCH_TOKENS
from cappy.runtime.feeds import batch_inputs, filled, place_inputs, remembering_inputs

LANES = 4
"""Rows are as long as a multiple of the narrowest vector; see `Attention`."""
WIDTHS = 16
"""Rows are as wide as a multiple of this in few shapes: a whole vector of a processor."""
Floats = NDArray[np.float32]
Feed = Mapping[str, NDArray[Any]]
Run = Callable[[Feed], dict[str, Floats]]
"""Inputs by name (unused ones are ignored) to outputs by name."""
Kind = str | tuple[int, ...]
"""A graph: `scores`, `remembering`, or the layers whose mean states it returns."""


class GraphRuntime(ABC):
    """Scores packed batches with graphs of one encoder. Thread-safe."""

    batch_tokens = BATCH_TOKENS
    few_shapes = False
    """Whether batches are padded so that they come in few shapes, each of which the runtime prepares for."""

    def __init__(self, spec: EncoderSpec, layout: str) -> None:
        """Open the scoring graph, which every scorer needs."""
        self.layout, self._spec = layout, spec
        self._lock = Lock()
        self._runs: dict[Kind, Run] = {"scores": self._open("scores")}

    @abstractmethod
    def _open(self, kind: Kind) -> Run:
        """Build a graph and prepare it to run."""

    def _run(self, kind: Kind) -> Run:
        with self._lock:
            if kind not in self._runs:
                self._runs[kind] = self._open(kind)
            return self._runs[kind]

    def score(self, batch: Batch) -> Floats:
        """Score every segment of `batch`: [segments]."""
        return self._computed("scores", self._inputs(batch))["scores"][: len(batch.segments.lengths)]

    def score_remembering(self, batch: Batch, known: Sequence[Floats | None]) -> tuple[Floats, list[Floats]]:
        """Score every segment of a shared batch, some of whose instructions are `known`: [segments].

        `known` has each instruction's keys and values [tokens, 2 * layers * hidden], or None. Instructions that are not
        known are encoded, and their keys and values are returned too, in the batch's order.
        """
        feed, lengths = remembering_inputs(batch, known, self._spec, self._width)
        found = self._computed("remembering", feed)
        fresh = np.split(found["contexts"], np.cumsum(lengths))[: len(lengths)]
        return found["scores"][: len(batch.segments.lengths)], [np.ascontiguousarray(one) for one in fresh]

    def means(self, batch: Batch, layers: tuple[int, ...]) -> Floats:
        """Return the mean hidden states of each segment, encoded alone: [segments, layers * hidden]."""
        feed = self._inputs(batch)
        feed["segment_share"] = ((feed["own_bias"] == 0) / batch.segments.lengths[:, None]).astype(np.float32)
        return self._computed(layers, feed)["means"][: len(batch.segments.lengths)]

    def _inputs(self, batch: Batch) -> dict[str, NDArray[Any]]:
        return batch_inputs(batch, self._width) | place_inputs(batch, self._spec, self._width)

    def _width(self, longest: int) -> int:
        """Return the length of padded rows: a multiple of the length of a row of one."""
        return few_sizes(longest, WIDTHS) if self.few_shapes else -(-longest // LANES) * LANES

    def _computed(self, kind: Kind, feed: Feed) -> dict[str, Floats]:
        return self._run(kind)(filled(feed, few_sizes) if self.few_shapes else feed)
