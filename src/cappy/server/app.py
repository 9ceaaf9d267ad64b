"""The application: routes, error handlers and middleware."""

from __future__ import annotations

import re

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

import cappy
from cappy.server.classifying import classifying_routes
from cappy.server.engine import Engine
from cappy.server.error_schemas import LOOK, OPEN, declared, declared_shapes, error_body
from cappy.server.errors import RequestError
from cappy.server.explaining import explaining_routes
from cappy.server.middleware import Gate
from cappy.server.pages import Pages
from cappy.server.proxy.options import Wishes
from cappy.server.proxy.routes import proxy_routes
from cappy.server.proxy.upstream import Address, Upstream, UpstreamError
from cappy.server.reranking import reranking_routes
from cappy.server.scoring import scoring_routes

_BRANCH = re.compile(r"[\[(]|^(str|int|float|bool)$")
"""Parts of an error location that name a pydantic type, not a field."""
DESCRIPTION = "Scores how correct responses are."
DIALECTS = (scoring_routes, reranking_routes, classifying_routes, explaining_routes)
"""Each returns an engine's routes in one API or a few; a route declares its bodies and its errors."""


def build_app(engine: Engine, address: Address | None = None, defaults: Wishes | None = None) -> FastAPI:
    """Build the application for an engine and, optionally, the language model at `address`.

    `defaults` are the best-of-n options of requests that set none.
    """
    upstream = Upstream(address, engine.metrics) if address else None
    best_of_n = proxy_routes(engine, upstream, defaults or Wishes())
    app = FastAPI(title="Cappy", version=cappy.__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    routers = [*(routes(engine) for routes in (*DIALECTS, _operations)), best_of_n]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    shapes = declared_shapes(routers)
    app.add_middleware(Gate, settings=engine.settings, metrics=engine.metrics, shapes=shapes)
    app.add_middleware(Pages, description=app.openapi())
    if engine.settings.cors_origins:
        # Outermost, so that pages can read error responses too.
        app.add_middleware(
            CORSMiddleware, allow_origins=list(engine.settings.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    return app


def _operations(engine: Engine) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/health", responses=declared(statuses=OPEN))
    async def health() -> dict[str, str]:
        """Tell that the process is running."""
        return {"status": "ok"}

    @router.get("/ready", responses=declared(statuses=(*OPEN, 503)))
    async def ready() -> dict[str, str]:
        """Tell whether requests are accepted; 503 while the server is stopping."""
        if engine.draining:
            raise RequestError(503, "the server is stopping.", 5)
        return {"status": "ready"}

    @router.get("/metrics", response_class=PlainTextResponse, responses=declared(statuses=LOOK))
    async def metrics() -> Response:
        """Return the metrics in Prometheus's format."""
        return Response(await engine.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return router


def _answer(request: Request, error: RequestError) -> JSONResponse:
    body = error_body(request.state.error_shape, error.status, str(error), request.state.id)
    return JSONResponse(body, error.status, error.headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    if isinstance(error, UpstreamError) and error.content:
        return Response(error.content, error.status, error.upstream_headers)
    answer = _answer(request, error)
    if isinstance(error, UpstreamError):
        kept = {name: value for name, value in error.upstream_headers.items() if name.lower() != "content-type"}
        answer.headers.update(kept)
    return answer


async def _invalid(request: Request, error: Exception) -> Response:
    """Describe an invalid body without quoting it: 400 if it is not JSON, 422 if a field is wrong."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    first = found[0]
    if first["type"] == "json_invalid":
        return _answer(request, RequestError(400, "the body is not valid JSON."))
    # For a field of several types, errors about the type that was sent are the most useful.
    alike = [one for one in found if one["loc"][1:2] == first["loc"][1:2]]
    first = next((one for one in alike if not one["type"].endswith("_type")), first)
    parts = [str(part) for part in first["loc"][1:]]
    place = ".".join(part for part in parts if not _BRANCH.search(part)) or "the body"
    return _answer(request, RequestError(422, f"{place}: {first['msg']}."))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _answer(request, RequestError(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer
