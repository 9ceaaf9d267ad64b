"""Large requests beside others: what is inside is bounded, and nothing waits that is small."""

from __future__ import annotations

import asyncio
from typing import Any

from cappy.server.admission import SMALL
from cappy.server.metrics import Metrics
from cappy.server.middleware import Gate
from cappy.server.settings import Settings


class Visit:
    """A request to a gate whose body is handed over in two parts, and what came of it."""

    def __init__(self, gate: Gate, size: int, chunked: bool = False) -> None:
        headers = [(b"transfer-encoding", b"chunked")] if chunked else [(b"content-length", b"%d" % size)]
        self.scope = {"type": "http", "path": "/score", "method": "POST", "query_string": b"", "headers": headers}
        self.parts = [b"a" * (size // 2), b"a" * (size - size // 2)]
        self.status = 0
        self.task = asyncio.ensure_future(gate(self.scope, self.receive, self.send))

    @property
    def all_read(self) -> bool:
        return not self.parts

    async def receive(self) -> dict[str, Any]:
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)


def gate_of(free: asyncio.Event, **limits: Any) -> Gate:
    """Return a gate before an application that answers once it is free to."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"]
        await free.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return Gate(app, Settings(**limits), Metrics(), {})


def test_larger_requests_wait_for_room_and_small_ones_do_not() -> None:
    async def visits() -> None:
        free = asyncio.Event()
        gate = gate_of(free, waiting_bytes=5 * SMALL, body_bytes=4 * SMALL)
        first = Visit(gate, 4 * SMALL)
        await asyncio.sleep(0.02)
        second, small, chunks = Visit(gate, 4 * SMALL), Visit(gate, SMALL), Visit(gate, 10, chunked=True)
        await asyncio.sleep(0.05)
        assert first.all_read and small.all_read and chunks.all_read and not second.all_read
        free.set()
        await asyncio.gather(*(one.task for one in (first, second, small, chunks)))
        assert [one.status for one in (first, second, small, chunks)] == [200] * 4
        assert gate._room.held == gate._room.answering == 0 and not gate._room.readers

    asyncio.run(visits())


def test_of_many_that_come_together_one_is_read_after_the_other() -> None:
    async def visits() -> None:
        free = asyncio.Event()
        free.set()
        gate = gate_of(free, waiting_bytes=4 * SMALL, body_bytes=4 * SMALL)
        many = [Visit(gate, 4 * SMALL) for _ in range(20)]
        await asyncio.wait_for(asyncio.gather(*(one.task for one in many)), 10)
        assert {one.status for one in many} == {200} and gate._room.held == 0

    asyncio.run(visits())


def test_a_request_over_all_room_goes_alone_and_waiting_has_an_end() -> None:
    async def visits() -> None:
        free = asyncio.Event()
        gate = gate_of(free, waiting_bytes=SMALL, body_bytes=4 * SMALL, body_seconds=0.2)
        first = Visit(gate, 4 * SMALL)
        await asyncio.sleep(0.02)
        second, over = Visit(gate, 4 * SMALL), Visit(gate, 5 * SMALL)
        await asyncio.wait_for(asyncio.gather(second.task, over.task), 5)
        assert second.status == 429 and first.all_read
        assert over.status == 413 and len(over.parts) == 2  # told without a wait
        free.set()
        await first.task
        assert first.status == 200 and gate._room.held == 0

    asyncio.run(visits())


def test_what_has_come_whole_is_handed_over_without_a_wait() -> None:
    async def visits() -> None:
        free = asyncio.Event()
        gate = gate_of(free, waiting_bytes=SMALL, body_bytes=4 * SMALL, body_seconds=0.2)
        first, second = Visit(gate, 4 * SMALL), Visit(gate, 4 * SMALL)
        second.parts = [b"".join(second.parts)]
        await asyncio.sleep(0.5)
        free.set()
        await asyncio.wait_for(asyncio.gather(first.task, second.task), 5)
        assert first.status == second.status == 200 and gate._room.held == 0

    asyncio.run(visits())
