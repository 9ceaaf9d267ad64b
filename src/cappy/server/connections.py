"""Limits on connections: how many may be open, and how long one may keep the server waiting."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cappy.server.settings import Settings

HEADER_BYTES = 2**15
"""Maximum size of the request line and headers; larger ones get 400."""
SPARE = 128
"""Connections over the limit that still get an error response; further ones are closed at once."""


class Connection(H11Protocol):
    """Uvicorn's connection with a timeout on every wait.

    A new connection must send its complete headers within `body_seconds`; a kept connection must do so from the first
    byte of its next request. The gate times the body. A client that does not read its response is disconnected too.
    """

    limits: Settings

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take uvicorn's arguments."""
        super().__init__(*args, **options)
        self.timeout_keep_alive = self.limits.keep_alive_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; over the limit, mark it for the gate to refuse, or close it."""
        super().connection_made(transport)
        # asyncio sets this only for sockets with an explicit protocol; without it, a response waits 40 ms for
        # the client to acknowledge the headers.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        count = len(self.connections)
        self.app_state = {**self.app_state, "crowded": count > self.limits.connections}
        if count > self.limits.connections + SPARE:
            transport.abort()
        else:
            self._deadline = self._abort_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        for clock in (self._deadline, self._reading):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the timer of complete headers; start one for new headers."""
        before = self.cycle
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # garbage after a finished response: there is nothing to answer
            self.transport.abort()
            return
        if self.cycle is not before and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            self._deadline = self._abort_later()

    def pause_writing(self) -> None:
        """Give a client with a full write buffer time to read."""
        super().pause_writing()
        self._reading = self._abort_later()

    def resume_writing(self) -> None:
        """Stop that timer."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; abort it if the rest of its last response was not read."""
        unread = self.transport.get_write_buffer_size()
        super().timeout_keep_alive_handler()
        if unread:
            self.transport.abort()

    def _abort_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.limits.body_seconds, self.transport.abort)


def bounded(settings: Settings) -> type[Connection]:
    """Return a connection class with these limits; uvicorn creates one instance per client."""

    class Bounded(Connection):
        """A connection with one server's limits."""

        limits = settings

    return Bounded
