"""A Ray cluster of several nodes on this machine, and what is done on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


class Nodes:
    """A real cluster: a head without cores, where the driver is, and nodes of one core that come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": 10**8, "include_dashboard": False},
        )
        self._nodes: list[Any] = []
        self.address: str = self._cluster.address

    def want(self, count: int) -> None:
        """Have so many nodes."""
        while len(self._nodes) < count:
            self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=10**8))
        while len(self._nodes) > count:
            self.kill()

    def kill(self) -> None:
        """Kill a node with all that runs on it, and tell nobody."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """The nodes of a cluster that this process has joined."""
    ray = pytest.importorskip("ray", reason="the extra 'scale' is not installed (ray)")
    made = Nodes()
    try:
        made.want(2)
        ray.init(made.address, log_to_driver=False, logging_level="ERROR")
        yield made
    finally:
        ray.shutdown()
        made.stop()


@pytest.fixture
def two_nodes(nodes: Nodes) -> Nodes:
    nodes.want(2)
    return nodes
