"""Large requests beside others: what is inside is bounded, and nothing waits that is small."""

from __future__ import annotations

import asyncio
from typing import Any

from cappy.server.gate import SMALL, Gate
from cappy.server.metrics import Metrics
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
    def read(self) -> bool:
        return len(self.parts) < 2

    async def receive(self) -> dict[str, Any]:
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)


def test_larger_requests_wait_for_room_and_small_ones_do_not() -> None:
    async def visits() -> None:
        free = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert len((await receive())["body"]) > 0
            await free.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        gate = Gate(app, Settings(waiting_bytes=5 * SMALL, body_bytes=4 * SMALL), Metrics(), frozenset())
        first, second, small = Visit(gate, 3 * SMALL), Visit(gate, 3 * SMALL), Visit(gate, SMALL)
        chunks = Visit(gate, 10, chunked=True)  # nobody knows how large it will be
        await asyncio.sleep(0.05)
        assert first.read and small.read and not second.read and not chunks.read
        free.set()
        await asyncio.gather(*(one.task for one in (first, second, small, chunks)))
        assert [one.status for one in (first, second, small, chunks)] == [200] * 4
        assert gate._held == 0

    asyncio.run(visits())


def test_a_request_over_all_room_goes_alone_and_waiting_has_an_end() -> None:
    async def visits() -> None:
        free = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await free.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        gate = Gate(app, Settings(waiting_bytes=SMALL, body_seconds=0.1), Metrics(), frozenset())
        first, second = Visit(gate, 4 * SMALL), Visit(gate, 2 * SMALL)
        await asyncio.wait_for(second.task, 5)
        assert second.status == 429 and not second.read and first.read
        free.set()
        await first.task
        assert first.status == 200 and gate._held == 0

    asyncio.run(visits())
