"""The metrics of several replicas as those of one server: each series is the sum over replicas."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from cappy.server.metrics import Metrics

PUBLISHED = 1.0
"""Seconds between two publications of a replica's metrics."""


class Board:
    """An actor with the last metrics of every replica, including replicas that have stopped."""

    def __init__(self) -> None:
        """Start empty."""
        self._texts: dict[str, str] = {}

    def exchange(self, replica: str, text: str) -> list[str]:
        """Replace a replica's metrics, and return those of all replicas."""
        self._texts[replica] = text
        return list(self._texts.values())


class SharedMetrics(Metrics):
    """A replica's metrics, published on the board; every replica reports the sums over all."""

    def __init__(self, board: Any, replica: str) -> None:
        """Publish the metrics of the named replica; `board` is the actor."""
        super().__init__()
        self._board, self._replica = board, replica

    async def render(self) -> bytes:
        """Return the sums in Prometheus's format."""
        texts: list[str] = await self._board.exchange.remote(self._replica, self._text())
        return summed(texts)

    def keep_publishing(self) -> None:
        """Publish these metrics every `PUBLISHED` seconds, on a daemon thread."""
        threading.Thread(target=self._publish, name="cappy-metrics", daemon=True).start()

    def _publish(self) -> None:
        while True:
            self._board.exchange.remote(self._replica, self._text())
            time.sleep(PUBLISHED)

    def _text(self) -> str:
        return generate_latest(self.registry).decode()


class _Sums:
    """A Prometheus collector of the sums."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text in self._texts:
            for family in text_string_to_metric_families(text):
                if family.name.endswith("_created"):  # timestamps, whose sum is meaningless
                    continue
                families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                found = values.setdefault(family.name, {})
                for sample in family.samples:
                    series = sample.name, tuple(sample.labels.items())
                    found[series] = found.get(series, 0.0) + sample.value
        for name, family in families.items():
            for (one, labels), value in values[name].items():
                family.add_sample(one, dict(labels), value)
            yield family


def summed(texts: Iterable[str]) -> bytes:
    """Add up metrics in Prometheus's format, series by series."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sums(texts))
    return generate_latest(registry)
