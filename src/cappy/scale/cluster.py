"""Joining a Ray cluster temporarily, or starting one on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cappy.errors import ClusterError, InputError, MissingExtraError

LOCAL = "local"
"""The address that starts a cluster on this machine for the duration of the job."""


def import_ray() -> Any:
    """Import and return Ray.

    Raises:
        MissingExtraError: it is not installed.

    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("working on a Ray cluster", "scale") from error
    return ray


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Connect to the Ray cluster at `address` during the block: "local", "auto" or HOST:PORT.

    An existing connection of this process is used unchanged and kept.

    Raises:
        ClusterError: no cluster answers at the address.
        InputError: `address` is a Ray Client address.
        MissingExtraError: Ray is not installed.

    """
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    if address.startswith("ray://"):
        raise InputError(
            f"{address} is a Ray Client address, which cannot stream data; run the command on a node of "
            "the cluster (ray job submit) with --ray auto."
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # otherwise Ray's restart warnings fill the terminal
    _check_answers(address)
    with _signals_kept():
        try:
            options = {"include_dashboard": False} if address == LOCAL else {}
            ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ClusterError(
                f"no Ray cluster answers at {address!r} ({reason}); start one with: ray start --head"
            ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Check within seconds that something listens at the address; Ray would wait for minutes.

    Raises:
        ClusterError: nothing listens at HOST:PORT.

    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        reason = f"no Ray cluster answers at {address!r} ({error}); start one with: ray start --head"
        raise ClusterError(reason) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep this process's SIGTERM handler: Ray's would exit without a message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def worker_count(cpus: float, gpus: float = 0.0) -> int:
    """Return how many workers of `cpus` cores and `gpus` GPUs the joined cluster has room for now; at least 1."""
    found = import_ray().cluster_resources()
    room = [found.get(kind, 0.0) // each for kind, each in (("CPU", cpus), ("GPU", gpus)) if each]
    return max(1, int(min(room, default=1)))


def beside_driver(kind: type, *given: Any) -> Any:
    """Start an actor of class `kind` on the driver's node, so that it lives as long as the job.

    Calls from workers wait while it restarts.
    """
    ray = import_ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(kind).options(**options).remote(*given)
