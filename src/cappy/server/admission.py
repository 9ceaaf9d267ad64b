"""Admission by size: a limit on the bytes of requests in memory; beyond it, reading pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SMALL = 2**16
"""Body bytes that are always read, whatever the load."""


class Visit:
    """The bytes of one request, from reading until it is answered."""

    def __init__(self, room: Room) -> None:
        """Start with no bytes."""
        self._room = room
        self.bytes = 0
        self.waiting = False

    def count(self, count: int) -> None:
        """Count `count` received bytes."""
        self.bytes += count
        self._room.held += count

    async def more(self) -> None:
        """Wait until more may be read."""
        if self.bytes > SMALL and not self._room.fits(self):
            self.waiting = True
            async with self._room.freed:
                await self._room.freed.wait_for(lambda: self._room.fits(self))
            self.waiting = False

    async def whole(self) -> None:
        """Mark the request as fully received."""
        self._room.readers.remove(self)
        self._room.answering += self.bytes
        await self._room.tell()


class Room:
    """Counts the bytes of requests that are being read or answered.

    Above `limit`, reading pauses, except for the request that has been read the longest. That one continues if the
    requests being answered leave room for `largest` bytes, so requests complete one at a time.
    """

    def __init__(self, limit: int, largest: int) -> None:
        """Start empty."""
        self._limit, self._largest = limit, largest
        self.held = self.answering = 0
        self.readers: list[Visit] = []
        self.freed = asyncio.Condition()

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visit]:
        """Admit a request for the duration of the block."""
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
        """Tell whether more of a request may be read."""
        if self.held <= self._limit:
            return True
        return self.readers[0] is one and (not self.answering or self.answering + self._largest <= self._limit)

    async def tell(self) -> None:
        """Wake waiting requests to check again."""
        async with self.freed:
            self.freed.notify_all()
