"""Running a server: the socket, signals, draining, logs."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from types import FrameType
from typing import Any

import uvicorn

from cappy.errors import CappyError, InputError
from cappy.server.app import build_app
from cappy.server.connections import HEADER_BYTES, bounded
from cappy.server.engine import Engine
from cappy.server.metrics import Metrics
from cappy.server.proxy.options import Wishes
from cappy.server.proxy.upstream import Address
from cappy.server.scorers import Scorers
from cappy.server.settings import Settings

log = logging.getLogger("cappy.server")
_FIELDS = ("id", "path", "status", "ms", "error", "models", "address")


class JsonLines(logging.Formatter):
    """Writes records as JSON lines with known fields only."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        said: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "event": record.getMessage().strip(),
        }
        if record.exc_info and record.exc_info[0]:  # only the type: a message may contain a text
            said["error"] = record.exc_info[0].__name__
        said |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        return json.dumps(said)


class Server(uvicorn.Server):
    """Uvicorn with draining: after a stop signal, new requests get 503 until admitted work is done."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        """Serve `config`, whose application uses `engine`."""
        super().__init__(config)
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        engine.metrics.connections.set_function(lambda: len(self.server_state.connections))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and on SIGHUP reload the checkpoints from disk."""
        self._loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP"):
            self._loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self._reload()))
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, exit at the second."""
        if self._engine.draining or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._engine.draining = True
        self._loop.call_soon_threadsafe(lambda: self._keep(self._drain()))

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        log.info("draining")
        await self._engine.drain(self._engine.settings.drain_seconds)
        self.should_exit = True

    async def _reload(self) -> None:
        async with self._reloading:
            try:
                await asyncio.to_thread(self._engine.scorers.reload)
                log.info("checkpoints reloaded")
            except CappyError as error:
                log.error("reload failed; checkpoints unchanged", extra={"error": str(error)})
            except Exception as error:  # such as a folder that is being written; the old checkpoints stay in use
                log.error("reload failed; checkpoints unchanged", extra={"error": f"{type(error).__name__}: {error}"})


def log_lines() -> None:
    """Log the server and its libraries as JSON lines on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name, level in ((log.name, logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def serve(
    scorers: Scorers,
    settings: Settings,
    host: str,
    port: int,
    address: Address | None = None,
    defaults: Wishes | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; admitted work is finished first. For `address` and `defaults` see `build_app`.

    Raises:
        InputError: the address is unavailable.

    """
    log_lines()
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}:{port} ({error}).") from error
    engine = Engine(scorers, settings, Metrics())
    try:
        config = uvicorn.Config(
            build_app(engine, address, defaults),
            http=bounded(settings),
            ws="none",
            h11_max_incomplete_event_size=HEADER_BYTES,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        here = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        log.info("listening", extra={"address": here, "models": scorers.names})
        Server(config, engine).run(sockets=[listening])
    finally:
        engine.stop()
        listening.close()
