"""Cancelling work whose result is no longer needed: the client left, the server closed, or another part failed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from fastapi import Request

from cappy.server.errors import RequestError

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of `work`; cancel it as soon as the client disconnects.

    Raises:
        RequestError: 499, the client disconnected; nobody reads it.

    """
    return await unless(_left(request), RequestError(499, "the client left."), work)


async def unless(happens: Coroutine[Any, Any, Any], error: Exception, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of `work`; if `happens` ends first, cancel it and raise `error`."""
    task = asyncio.ensure_future(work)
    ending = asyncio.ensure_future(happens)
    try:
        await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise error
    finally:
        task.cancel()
        ending.cancel()


async def together(works: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run all concurrently; the first failure cancels the others and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
