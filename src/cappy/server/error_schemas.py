"""Error bodies: their shape in each API, as routes declare it in the OpenAPI document and as refusals are written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

MEANINGS = {
    400: "The body is not JSON.",
    401: "The API key is missing or wrong.",
    403: "The host name in `Host` is not allowed.",
    404: "No scorer has this name.",
    405: "The method is not allowed for this path.",
    408: "The request was not complete in time.",
    413: "The body, the candidates or the tokens exceed a limit, or a text does and must not be cut.",
    422: "A field is missing or wrong.",
    429: "The queue is full; `Retry-After` gives the seconds until a retry.",
    500: "The server failed to process the request.",
    502: "The language model's server cannot be reached or sent an invalid response.",
    503: "The server is stopping or has too many connections; `Retry-After` is set.",
    504: "The language model's server timed out.",
}
WORK = (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 503)
"""Error statuses of a route that scores."""
OPEN = (400, 405, 408, 413, 500)
"""Error statuses of a route that needs no key, including those of the gate and the router."""
LOOK = (*OPEN, 401, 403, 503)
"""Error statuses of a read-only route."""
NAMES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    408: "RequestTimeoutError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
}
"""OpenAI's names of errors."""
INFERENCE_NAMES = dict.fromkeys((400, 408, 413, 422), "Validation") | {429: "Overloaded", 503: "Unhealthy"}
"""Those of text-embeddings-inference."""


class ErrorShape(BaseModel):
    """The body of an error in the format of one API."""

    @classmethod
    @abstractmethod
    def of(cls, status: int, message: str, request_id: str) -> ErrorShape:
        """Return the body that says `message`."""


class ErrorDetail(BaseModel):
    """What went wrong: a sentence, an error name, and the HTTP status."""

    message: str
    type: str
    param: str | None
    code: int


class OpenAIError(ErrorShape):
    """An error in the format of OpenAI and vLLM."""

    error: ErrorDetail

    @classmethod
    def of(cls, status: int, message: str, request_id: str) -> OpenAIError:
        """Return the body that says `message`."""
        name = NAMES.get(status, "InternalServerError")
        return cls(error=ErrorDetail(message=message, type=name, param=None, code=status))


class CohereError(ErrorShape):
    """An error in Cohere's format, with Jina's `detail`."""

    id: str
    message: str
    detail: str

    @classmethod
    def of(cls, status: int, message: str, request_id: str) -> CohereError:
        """Return the body that says `message`."""
        return cls(id=request_id, message=message, detail=message)


class InferenceError(ErrorShape):
    """An error in text-embeddings-inference's format."""

    error: str
    error_type: str

    @classmethod
    def of(cls, status: int, message: str, request_id: str) -> InferenceError:
        """Return the body that says `message`."""
        return cls(error=message, error_type=INFERENCE_NAMES.get(status, "Backend"))


def declared_shapes(routers: Iterable[APIRouter]) -> dict[str, type[ErrorShape]]:
    """Return the error shape that each path's route declares; OpenAI's where it declares several or none."""
    found = {}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute):
            shape = route.responses.get(500, {}).get("model")
            found[route.path] = shape if isinstance(shape, type) and issubclass(shape, ErrorShape) else OpenAIError
    return found


def error_body(shape: type[ErrorShape], status: int, message: str, request_id: str) -> Mapping[str, Any]:
    """Return the JSON of an error in this shape."""
    # A text may contain a lone surrogate, which JSON encoders cannot write.
    safe = message.encode("utf-8", "replace").decode("utf-8")
    return shape.of(status, safe, request_id).model_dump()


def declared(shape: Any = OpenAIError, statuses: tuple[int, ...] = WORK) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route whose errors have this `shape`, one entry per status."""
    retry = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        status: {"model": shape, "description": MEANINGS[status], **({"headers": retry} if status == 429 else {})}
        for status in statuses
    }


def declared_before_llm() -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that forwards to a language model and passes its errors through."""
    whole = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}
    return {
        200: {"description": "OpenAI's answer, whole or streamed.", "content": whole},
        **declared(OpenAIError | dict[str, Any], (*WORK, 502, 504)),
        "default": {"description": "An error of the language model's server, passed through unchanged."},
    }
