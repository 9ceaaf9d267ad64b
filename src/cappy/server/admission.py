"""How many bytes of requests may be inside together: further ones are not read before there is room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SMALL = 2**16
"""Bytes of a body that are read whatever else is inside."""


class Visit:
    """A request's bytes, from when it is read until it is answered."""

    def __init__(self, room: Room) -> None:
        """Take nothing yet."""
        self._room = room
        self.bytes = 0
        self.waiting = False

    def count(self, count: int) -> None:
        """Count `count` bytes that have come."""
        self.bytes += count
        self._room.held += count

    async def more(self) -> None:
        """Wait until more may come."""
        if self.bytes > SMALL and not self._room.fits(self):
            self.waiting = True
            async with self._room.freed:
                await self._room.freed.wait_for(lambda: self._room.fits(self))
            self.waiting = False

    async def whole(self) -> None:
        """Say that the request has come whole."""
        self._room.readers.remove(self)
        self._room.answering += self.bytes
        await self._room.tell()


class Room:
    """Bytes inside, of requests that are read and of those that are answered.

    Where there are more than `limit` reading pauses, but for the request that has been read the longest: it goes on if
    those that are being answered leave room for `largest` bytes, so that one is finished after the other.
    """

    def __init__(self, limit: int, largest: int) -> None:
        """Begin empty."""
        self._limit, self._largest = limit, largest
        self.held = self.answering = 0
        self.readers: list[Visit] = []
        self.freed = asyncio.Condition()

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visit]:
        """Let a request in until the block ends."""
        one = Visit(self)
        self.readers.append(one)
        try:
            yield one
        finally:
            if one in self.readers:
                self.readers.remove(one)
            else:
                self.answering -= one.bytes
            self.held -= one.bytes
            await self.tell()

    def fits(self, one: Visit) -> bool:
        """Tell whether more may be read of a request."""
        if self.held <= self._limit:
            return True
        return self.readers[0] is one and (not self.answering or self.answering + self._largest <= self._limit)

    async def tell(self) -> None:
        """Let those that wait look again."""
        async with self.freed:
            self.freed.notify_all()
