"""Checks before every request (id, key, size, pace), and its log line and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cappy.server.admission import Room, Visit
from cappy.server.connections import HEADER_BYTES
from cappy.server.error_schemas import ErrorShape, OpenAIError, error_body
from cappy.server.errors import RequestError
from cappy.server.keys import Keys
from cappy.server.metrics import Metrics
from cappy.server.settings import Settings

log = logging.getLogger("cappy.server")
OPEN_PATHS = ("/health", "/ready")


class _ClosingError(RequestError):
    """A refusal that closes the connection, whatever the client still sends."""

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Connection": "close"}


class Gate:
    """An ASGI layer around the application; texts and keys never reach the log."""

    def __init__(
        self, app: ASGIApp, settings: Settings, metrics: Metrics, shapes: Mapping[str, type[ErrorShape]]
    ) -> None:
        """Wrap `app`; `shapes` are its paths, named in logs and metrics, each with the shape of its errors."""
        self.app, self.settings, self.metrics, self._shapes = app, settings, metrics, shapes
        self._keys = Keys(settings.api_keys)
        self._room = Room(settings.waiting_bytes, settings.body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id = uuid.uuid4().hex
        shape = self._shapes.get(scope["path"], OpenAIError)
        scope.setdefault("state", {}).update(id=request_id, error_shape=shape)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        async def refuse(error: RequestError) -> None:
            body = error_body(shape, error.status, str(error), request_id)
            await JSONResponse(body, error.status, error.headers)(scope, receive, watched)

        try:
            if scope["state"].get("crowded") and scope["path"] not in OPEN_PATHS:
                raise _ClosingError(503, "the server has too many connections; try again later.", 1)
            _check_head(scope)
            self._check_host(scope)
            self._check_key(scope)
            scope["state"]["onward"] = self._keys.onward(scope["headers"])
            async with self._room.visit() as visit:
                await self.app(scope, await self._in_time(scope, receive, visit), watched)
        except RequestError as error:
            await refuse(error)
        except asyncio.CancelledError:  # draining is over, and the client has not sent its whole request
            if not status:
                await refuse(_ClosingError(503, "the server is stopping."))
        except Exception as error:  # only the type: a message may contain a text
            log.error("a request failed", extra={"id": request_id, "error": type(error).__name__})
            if not status:
                await refuse(RequestError(500, "the server failed on this request."))
        finally:
            # A path may contain anything; only known ones are logged.
            if status in (0, 499):
                self.metrics.cancelled.inc()
            path, seconds = scope["path"] if scope["path"] in self._shapes else "other", time.perf_counter() - started
            self.metrics.requests.labels(path, str(status or 499)).inc()
            self.metrics.seconds.labels(path).observe(seconds)
            said = {"id": request_id, "path": path, "status": status or 499, "ms": round(1000 * seconds, 1)}
            log.info("request", extra=said)

    def _check_key(self, scope: Scope) -> None:
        if not self._keys or scope["path"] in (*OPEN_PATHS, "/openapi.json") or scope["method"] == "OPTIONS":
            return
        if not self._keys.admit(scope["headers"]):
            raise RequestError(401, "the API key is missing or wrong.")

    def _check_host(self, scope: Scope) -> None:
        """Refuse host names other than the server's own, against DNS rebinding."""
        if not self.settings.hosts or scope["path"] in OPEN_PATHS:
            return
        given = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        name = given if given.endswith("]") else given.rpartition(":")[0] or given
        if name not in self.settings.hosts:
            raise RequestError(403, f"the host name is not allowed; start the server with --allowed-host {name}.")

    async def _in_time(self, scope: Scope, receive: Receive, visit: Visit) -> Receive:
        seconds = self.settings.body_seconds
        try:
            return await asyncio.wait_for(self._whole(scope, receive, visit), seconds)
        except asyncio.TimeoutError as error:
            if visit.waiting:
                raise _ClosingError(429, "the server is busy with large requests; try again later.", 5) from error
            raise _ClosingError(408, f"the request was not complete within {seconds:g} seconds.") from error

    async def _whole(self, scope: Scope, receive: Receive, visit: Visit) -> Receive:
        """Read the body up to the limit; return a `receive` that replays it."""
        limit = self.settings.body_bytes
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise RequestError(413, f"the body is over {limit} bytes.")
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(499, "the client left.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                raise RequestError(413, f"the body is over {limit} bytes.")
            visit.count(len(message.get("body", b"")))
            if more:
                await visit.more()
        await visit.whole()
        handed = False

        async def again() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return again


def _check_head(scope: Scope) -> None:
    """Refuse oversized headers; uvicorn checks only those that arrive in pieces."""
    size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    size += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > HEADER_BYTES:
        raise _ClosingError(400, f"the request line and headers are over {HEADER_BYTES} bytes.")
