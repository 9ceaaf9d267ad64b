"""The client of the language model's server; its errors are passed through unchanged."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from cappy.llm.openai_protocol import is_loopback
from cappy.server.cancellation import together
from cappy.server.errors import RequestError
from cappy.server.metrics import Metrics
from cappy.text.conversation import text_of_choice

MOST_AT_ONCE = 8
"""Samples per request; servers with few slots refuse more."""
_ABOUT_N = re.compile(r"['\"`]n['\"`]|\bn must\b|\bn >|\bn is\b|\bparameter n\b|\bbest_of\b|\bn choices\b|\bn_cmpl\b")
_HANDED_ON = ("retry-after", "content-type")


class UpstreamError(RequestError):
    """An error response of the language model's server: status, body and headers, to be passed through."""

    def __init__(
        self, status: int, message: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep the response; without `content` the error is Cappy's own and `message` describes it."""
        super().__init__(status, message)
        self.content = content
        self.upstream_headers = {
            name: value
            for name, value in (headers or {}).items()
            if name.lower() in _HANDED_ON or name.lower().startswith("x-ratelimit")
        }


@dataclass(frozen=True, slots=True)
class Address:
    """The address of the language model.

    `url` ends in /v1, as for the openai client. `key` replaces the clients' keys; without one, a client's own
    Authorization is forwarded. `model` is used for requests that name none, or for all requests if `only` is set.
    """

    url: str
    key: str | None = None
    model: str | None = None
    only: bool = False
    seconds: float = 300.0
    at_once: int = 32


@dataclass(frozen=True, slots=True)
class Request:
    """The forwarded parts of a client's request other than its body: the path below /v1, headers, query.

    All `headers` are forwarded; `cappy.server.keys` selects them.
    """

    path: str
    headers: Mapping[str, str]
    query: str = ""


class Upstream:
    """Sends requests to the language model; created and used in one event loop."""

    def __init__(self, address: Address, metrics: Metrics) -> None:
        """Prepare the client; it connects at the first request."""
        self.address = address
        self._metrics = metrics
        self._places = asyncio.Semaphore(address.at_once)
        self._one_each = False
        limits = httpx.Limits(max_connections=address.at_once, max_keepalive_connections=address.at_once)
        timeout = httpx.Timeout(address.seconds, connect=10.0)
        # A local model is never reached through the proxy set in the environment.
        outside = not is_loopback(address.url)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, trust_env=outside)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def models(self, headers: Mapping[str, str]) -> list[Any]:
        """Return the server's list of models; empty if it has none."""
        try:
            answer = await self._client.get(f"{self._root}/models", headers=self._headers(headers), timeout=10.0)
            found = answer.json().get("data") if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError, AttributeError):
            return []
        return found if isinstance(found, list) else []

    async def draw(
        self, request: Request, body: Mapping[str, Any], count: int, before: int = 0
    ) -> tuple[list[dict[str, Any]], list[UpstreamError]]:
        """Request `count` samples; return the answers, and the errors of failed requests. `before` were drawn earlier.

        Servers may not support `n`, refuse a large one, or return too few choices. Missing samples are then requested
        one by one, with seeds that continue the request's own.
        """
        answers: list[dict[str, Any]] = []
        # Servers refuse several greedy answers at once, which says nothing about sampling.
        greedy = body.get("temperature") == 0
        if not self._one_each and not greedy:
            sizes = [min(MOST_AT_ONCE, count - start) for start in range(0, count, MOST_AT_ONCE)]
            answers, errors = await self._gather(request, body, sizes, before)
            refused = count > 1 and errors and all(_about_n(error) for error in errors)
            if not refused and errors:
                return [*map(_kept, answers)], errors
            # Do not send `n` again to a server that is known to ignore or refuse it.
            self._one_each = bool(refused) or (count > 1 and all(len(answer["choices"]) == 1 for answer in answers))
            answers = [_kept(answer) for answer in answers]
            lacking = count - sum(len(answer["choices"]) for answer in answers)
        else:
            lacking = count
        if lacking <= 0:
            return answers, []
        more, errors = await self._gather(request, body, [1] * lacking, before + count - lacking)
        return [*answers, *map(_kept, more)], errors

    async def _gather(
        self, request: Request, body: Mapping[str, Any], sizes: list[int], first: int
    ) -> tuple[list[dict[str, Any]], list[UpstreamError]]:
        """Send one request per size concurrently; `first` samples were drawn earlier."""
        starts = [first + sum(sizes[:place]) for place in range(len(sizes))]

        async def one(size: int, start: int) -> dict[str, Any] | UpstreamError:
            try:
                return await self._ask(request, _sized(body, size, start))
            except UpstreamError as error:
                return error

        found = await together([one(size, start) for size, start in zip(sizes, starts, strict=True)])
        answers = [one for one in found if isinstance(one, dict)]
        return answers, [one for one in found if isinstance(one, UpstreamError)]

    async def _ask(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request.

        Raises:
            UpstreamError: the server refuses it (its own error), cannot be reached (502), times out (504), or breaks
                the protocol (502).

        """
        url = f"{self._root}{request.path}{'?' + request.query if request.query else ''}"
        status, started = "failed", time.perf_counter()
        try:
            async with self._places:
                started = time.perf_counter()
                content = json.dumps(body).encode()  # ASCII: a lone surrogate is not valid UTF-8
                work = self._client.post(url, content=content, headers=self._headers(request.headers))
                answer = await asyncio.wait_for(work, self.address.seconds)  # httpx only limits the time of each read
            status = str(answer.status_code)
            return _read(answer)
        except (httpx.TimeoutException, asyncio.TimeoutError) as error:
            raise UpstreamError(504, "the language model's server timed out.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UpstreamError(502, f"the language model's server failed ({type(error).__name__}).") from error
        finally:
            self._metrics.upstream_requests.labels(status).inc()
            self._metrics.upstream_seconds.observe(time.perf_counter() - started)

    @property
    def _root(self) -> str:
        return self.address.url.rstrip("/")

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        own = {"authorization": f"Bearer {self.address.key}"} if self.address.key else {}
        return {"content-type": "application/json", **given, **own}


def _sized(body: Mapping[str, Any], size: int, start: int) -> dict[str, Any]:
    """Request `size` samples; shift the seed if samples were drawn before."""
    sized = {**body, "n": size}
    if size == 1:
        del sized["n"]
    if start and isinstance(body.get("seed"), int):
        sized["seed"] = body["seed"] + start
    return sized


def _read(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code != 200:
        message = f"the language model's server responded with status {answer.status_code}."
        # A status that is neither success nor error does not follow the protocol.
        status = answer.status_code if answer.status_code >= 400 else 502
        raise UpstreamError(status, message, answer.content if status < 502 or answer.content else b"", answer.headers)
    try:
        found = answer.json()
    except (ValueError, RecursionError) as error:
        raise UpstreamError(502, "the language model's server sent an unreadable response.") from error
    choices = found.get("choices") if isinstance(found, dict) else None
    if not readable(choices):
        raise UpstreamError(502, "the language model's server sent a response without choices.")
    return {str(key): value for key, value in found.items()}


def _kept(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "choices": readable(answer["choices"])}


def readable(choices: Any) -> list[dict[str, Any]]:
    """Return the readable choices; the others count as missing and are requested again."""
    kept = []
    for choice in choices if isinstance(choices, list) else []:
        try:
            if isinstance(choice, dict) and isinstance(text_of_choice(choice), str):
                kept.append(choice)
        except ValueError:
            continue
    return kept


def _about_n(error: UpstreamError) -> bool:
    """Tell whether a request was refused because of the number of samples."""
    return error.status in (400, 404, 422) and bool(_ABOUT_N.search(error.content.decode("utf-8", "replace")))
