"""Serving with several replicas on a Ray cluster: Ray Serve runs them, each with its own scorers and engine."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from cappy.errors import ClusterError, InputError, MissingExtraError
from cappy.scale.cluster import import_ray, joined
from cappy.server.app import build_app
from cappy.server.engine import Engine
from cappy.server.proxy.options import Wishes
from cappy.server.proxy.upstream import Address
from cappy.server.scorers import Loader, Scorers
from cappy.server.serving import log_lines
from cappy.server.settings import Settings
from cappy.server.shared_metrics import Board, SharedMetrics

log = logging.getLogger("cappy.server")
APPLICATION = "cappy"
BOARD = "cappy-metrics"
AT_ONCE = 512
"""Concurrent requests per replica; its own queue limits the tokens."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of replicas, and the cores of each."""

    count: int = 2
    cpus: float = 1.0


@dataclass(frozen=True)
class Serving:
    """What a replica serves; `version` increases each time the checkpoints are reloaded."""

    loaders: Mapping[str, Loader]
    settings: Settings
    address: Address | None = None
    defaults: Wishes | None = None
    version: int = 0

    def application(self) -> FastAPI:
        """Load the scorers and return the application; called in a replica."""
        ray = import_ray()
        board = ray.get_actor(BOARD, namespace=APPLICATION)
        metrics = SharedMetrics(board, ray.get_runtime_context().get_actor_id())
        engine = Engine(Scorers(self.loaders), self.settings, metrics)
        metrics.keep_publishing()
        return build_app(engine, self.address, self.defaults)


def serve_replicas(ray_address: str, serving: Serving, host: str, port: int, replicas: Replicas) -> None:
    """Serve on the cluster at `ray_address` until SIGTERM or SIGINT.

    SIGHUP reloads the checkpoints by a rolling update: new replicas start one by one and take over the requests, while
    old ones finish what they have. Stopping removes the application.

    Raises:
        ClusterError: the cluster or the replicas do not start.

    """
    try:
        from ray import serve
    except ImportError as error:
        raise MissingExtraError("serving on a Ray cluster", "scale") from error
    log_lines()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    stopped, reload = threading.Event(), threading.Event()
    with joined(ray_address):
        handlers = {signal.SIGTERM: stopped.set, signal.SIGINT: stopped.set}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = reload.set
        for number, act in handlers.items():
            signal.signal(number, _calling(act))
        serve.start(http_options={"host": host, "port": port})
        board = (
            import_ray()
            .remote(Board)
            .options(name=BOARD, namespace=APPLICATION, num_cpus=0, get_if_exists=True, max_restarts=-1)
            .remote()
        )
        try:
            deploy(serving, replicas)
            log.info("listening", extra={"address": f"http://{host}:{port}", "models": list(serving.loaders)})
            while not stopped.wait(0.2):
                if reload.is_set():
                    reload.clear()
                    _reload(serving, replicas)
        finally:
            serve.delete(APPLICATION)
            serve.shutdown()  # type: ignore[no-untyped-call]  # untyped in Ray
            import_ray().kill(board)


def _calling(act: Callable[[], None]) -> Callable[..., None]:
    return lambda *_: act()


def _reload(serving: Serving, replicas: Replicas) -> None:
    try:
        Scorers(serving.loaders)  # a checkpoint that cannot be loaded here replaces no replica
        deploy(Serving(serving.loaders, serving.settings, serving.address, serving.defaults, time.time_ns()), replicas)
        log.info("checkpoints reloaded")
    except Exception as error:
        log.error("reload failed; checkpoints unchanged", extra={"error": f"{type(error).__name__}: {error}"})


def deploy(serving: Serving, replicas: Replicas) -> None:
    """Deploy the application, or update it replica by replica, and wait until it runs.

    Raises:
        ClusterError: Ray gives up.

    """
    from ray import serve

    if replicas.count < 1:
        raise InputError(f"the number of replicas must be at least 1, not {replicas.count}.")

    def build() -> FastAPI:  # Ray Serve calls a function in each replica to build its application
        return serving.application()

    deployment: Any = serve.deployment(
        serve.ingress(build)(),
        name="server",
        num_replicas=replicas.count,
        max_ongoing_requests=AT_ONCE,
        graceful_shutdown_timeout_s=serving.settings.drain_seconds,
        ray_actor_options={"num_cpus": replicas.cpus},
    )
    try:
        serve.run(deployment.bind(), name=APPLICATION, route_prefix="/")
    except RuntimeError as error:
        raise ClusterError(f"the replicas did not start ({str(error).strip().splitlines()[0]}).") from error
