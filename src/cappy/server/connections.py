"""Connections: how many there may be, and how long one may keep the server waiting."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cappy.server.settings import Settings

HEADER_BYTES = 2**15
"""The request line and headers; more get 400."""
SPARE = 128
"""Connections over the limit that are still told so; those over this too are closed without a word."""


class Connection(H11Protocol):
    """Uvicorn's connection with an end to every wait.

    A new connection must have sent a whole head within `body_seconds`, and one that is kept must do so from the first
    byte of its next request. The body has the gate's clock. A client that does not read its answer is cut off too.
    """

    limits: Settings

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*args, **options)
        self.timeout_keep_alive = self.limits.keep_alive_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it; one too many is marked, for the gate to refuse, or closed."""
        super().connection_made(transport)
        # asyncio does so for sockets that name their protocol alone; without it an answer waits 40 ms for the client's
        # acknowledgement of its head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        count = len(self.connections)
        self.app_state = {**self.app_state, "crowded": count > self.limits.connections}
        if count > self.limits.connections + SPARE:
            transport.abort()
        else:
            self._deadline = self._abort_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its clocks."""
        for clock in (self._deadline, self._reading):
            if clock is not None:
                clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the clock of a head that has come whole, start that of one that begins."""
        before = self.cycle
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # nonsense behind an answer that has been given: there is nothing to say
            self.transport.abort()
            return
        if self.cycle is not before and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            self._deadline = self._abort_later()

    def pause_writing(self) -> None:
        """Give a client whose answer piles up time to read it."""
        super().pause_writing()
        self._reading = self._abort_later()

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, at once if the rest of its last answer is not read."""
        unread = self.transport.get_write_buffer_size()
        super().timeout_keep_alive_handler()
        if unread:
            self.transport.abort()

    def _abort_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.limits.body_seconds, self.transport.abort)


def bounded(settings: Settings) -> type[Connection]:
    """Return the connection class that keeps these limits, which uvicorn makes one of for every client."""

    class Bounded(Connection):
        """A connection of one server."""

        limits = settings

    return Bounded
