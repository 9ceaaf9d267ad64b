"""`/v1/chat/completions` and `/v1/completions`: the best of n samples of the upstream language model."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cappy.selection.selectors import SELECTORS
from cappy.server.cancellation import together, while_connected
from cappy.server.engine import Engine
from cappy.server.error_schemas import LOOK, declared, declared_before_llm
from cappy.server.errors import RequestError
from cappy.server.proxy.best import Chosen, best_of
from cappy.server.proxy.options import Wishes, read_wishes
from cappy.server.proxy.response import chunks, whole, written
from cappy.server.proxy.schemas import ChatRequest, CompletionRequest, SampledRequest
from cappy.server.proxy.upstream import Request as Onward
from cappy.server.proxy.upstream import Upstream, UpstreamError
from cappy.server.schemas import ModelItem
from cappy.text.conversation import instruction_of

_OWN = ("n", "stream", "stream_options", "cappy", "best_of")
NO_MODEL = "this server has no language model; start it with: cappy serve --llm URL (or --llm smollm2)."


class Proxy:
    """Best of n over HTTP, with an engine and an upstream."""

    def __init__(self, engine: Engine, upstream: Upstream | None, defaults: Wishes) -> None:
        """Set the default options; without `upstream`, requests are refused."""
        self._engine, self._upstream, self._defaults = engine, upstream, defaults
        self._open = 0

    async def chat(self, body: ChatRequest, request: Request) -> Response:
        """Answer a conversation."""
        try:
            instruction = instruction_of(body.messages)
        except ValueError as error:
            raise RequestError(422, f"messages: {error}.") from error
        return await self._answer(body, request, "/chat/completions", [(instruction, {})])

    async def completion(self, body: CompletionRequest, request: Request) -> Response:
        """Complete one prompt or several."""
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        parts = [(prompt, {"prompt": prompt}) for prompt in prompts]
        return await self._answer(body, request, "/completions", parts)

    async def _answer(
        self, body: SampledRequest, request: Request, path: str, parts: Sequence[tuple[str, dict[str, Any]]]
    ) -> Response:
        upstream = self._upstream
        if upstream is None:
            raise RequestError(404, NO_MODEL)
        fields = body.model_dump(exclude_unset=True)
        defaults = self._defaults
        if isinstance(fields.get("best_of"), int) and fields["best_of"] >= 1:
            defaults = defaults.model_copy(update={"n": fields["best_of"]})
        kept = body.n or 1
        wishes = read_wishes(defaults, body.cappy, request.headers, self._engine.settings.llm_most, kept)
        self._engine.scorers.find(wishes.scorer)
        if wishes.selector and SELECTORS[wishes.selector].likelihoods and not fields.get("logprobs"):
            raise RequestError(422, f"selector {wishes.selector!r} needs log-likelihoods: request logprobs.")
        base = {name: value for name, value in fields.items() if name not in _OWN}
        if upstream.address.model and (upstream.address.only or not base.get("model")):
            base["model"] = upstream.address.model
        onward = Onward(path, request.state.onward, request.url.query)

        async def one(instruction: str, own: Mapping[str, Any]) -> Chosen:
            async def draw(others: Mapping[str, Any], count: int, before: int) -> Any:
                return await upstream.draw(onward, {**base, **own, **others}, count, before)

            return await best_of(instruction, wishes, kept, draw, self._engine, base.get("temperature") == 0)

        samples = len(parts) * wishes.samples(kept)
        with self._admitted(samples):
            work = together([one(instruction, own) for instruction, own in parts])
            try:
                found = await while_connected(request, self._engine.until_closed(work))
            except UpstreamError:
                self._engine.metrics.samples_failed.inc(samples)
                raise
        self._count(found)
        return _response(body, found, kept, wishes)

    @contextmanager
    def _admitted(self, samples: int) -> Iterator[None]:
        """Reserve places for all samples of a request, or refuse it."""
        room = self._engine.settings.llm_waiting
        if samples > room:
            raise RequestError(422, f"{samples} samples are requested; the limit per request is {room}.")
        with self._engine.working():
            if self._open + samples > room:
                raise RequestError(429, "the server is busy; try again later.", 5)
            self._open += samples
            try:
                yield
            finally:
                self._open -= samples

    def _count(self, found: Sequence[Chosen]) -> None:
        metrics = self._engine.metrics
        drawn, failed = sum(len(one.choices) for one in found), sum(one.failed for one in found)
        metrics.samples.inc(drawn)
        metrics.samples_failed.inc(failed)
        metrics.samples_saved.inc(max(0, sum(one.asked for one in found) - drawn - failed))


def proxy_routes(engine: Engine, upstream: Upstream | None, defaults: Wishes) -> APIRouter:
    """Return the routes, including the list of models: the language model's and the scorers."""
    router = APIRouter(tags=["best of n"], lifespan=_closing(upstream))
    proxy = Proxy(engine, upstream, defaults)
    started = int(time.time())

    @router.post("/v1/chat/completions", responses=declared_before_llm())
    async def chat(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation with the best of n samples; OpenAI's request and response, streamed or whole."""
        return await proxy.chat(body, request)

    @router.post("/v1/completions", responses=declared_before_llm())
    async def completion(body: CompletionRequest, request: Request) -> Response:
        """Complete a prompt with the best of n samples; OpenAI's older request and response."""
        return await proxy.completion(body, request)

    @router.get("/v1/models", responses=declared(statuses=LOOK))
    async def models(request: Request) -> dict[str, Any]:
        """List the language model's models, if there is one, and the scorers (owned by `cappy`)."""
        scorers = [ModelItem(id=name, created=started).model_dump() for name in engine.scorers.names]
        behind = await upstream.models(request.state.onward) if upstream else []
        return {"object": "list", "data": [*behind, *scorers]}

    return router


def _closing(upstream: Upstream | None) -> Any:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        if upstream:
            await upstream.close()

    return lifespan


def _response(body: SampledRequest, found: Sequence[Chosen], kept: int, wishes: Wishes) -> Response:
    answers = [answer for one in found for answer in one.answers]
    choices = [one.choices[place] for one in found for place in one.order[:kept]]
    extra = [candidates_of(one) for one in found] if wishes.candidates else None
    whole_body = whole(answers, choices, extra[0] if extra and len(extra) == 1 else extra)
    headers = _headers(found)
    if body.stream:
        with_usage = bool((body.stream_options or {}).get("include_usage"))
        headers |= {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(chunks(whole_body, with_usage), media_type="text/event-stream", headers=headers)
    return Response(written(whole_body), media_type="application/json", headers=headers)


def candidates_of(chosen: Chosen) -> dict[str, Any]:
    """Describe how an answer was chosen: all candidates from best to worst, with scores."""
    return {
        "scorer": chosen.scorer,
        "asked": chosen.asked,
        "failed": chosen.failed,
        "candidates": [
            {
                "text": chosen.texts[place],
                "score": chosen.scores[place] if chosen.scores else None,
                "value": chosen.values[place] if chosen.values else None,
                "finish_reason": chosen.choices[place].get("finish_reason"),
            }
            for place in chosen.order
        ],
    }


def _headers(found: Sequence[Chosen]) -> dict[str, str]:
    """Return headers with the number of samples, the first answer's score, and failures."""
    headers = {"x-cappy-samples": str(sum(len(one.choices) for one in found))}
    first = found[0]
    if first.scores:
        headers["x-cappy-score"] = f"{first.scores[first.order[0]]:.6f}"
        headers["x-cappy-scorer"] = first.scorer.encode("ascii", "replace").decode()
    failed, empty = (sum(counts) for counts in zip(*((one.failed, one.texts.count("")) for one in found), strict=True))
    warnings = []
    if failed:
        statuses = sorted({error.status for one in found for error in one.errors})
        headers["x-cappy-failed"] = str(failed)
        warnings.append(f"{failed} samples failed ({', '.join(map(str, statuses)) or 'fewer choices'})")
    if empty:
        warnings.append(f"{empty} samples are empty")
    if warnings:
        headers["x-cappy-warning"] = "; ".join(warnings)
    return headers
