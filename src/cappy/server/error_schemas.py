"""Error bodies as declared in the OpenAPI document; `errors.error_body` writes them."""

from __future__ import annotations

from typing import Any

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


class ErrorDetail(BaseModel):
    """What went wrong: a sentence, an error name, and the HTTP status."""

    message: str
    type: str
    param: str | None
    code: int


class OpenAIError(BaseModel):
    """An error in the format of OpenAI and vLLM."""

    error: ErrorDetail


class CohereError(BaseModel):
    """An error in Cohere's format, with Jina's `detail`."""

    id: str
    message: str
    detail: str


class InferenceError(BaseModel):
    """An error in text-embeddings-inference's format."""

    error: str
    error_type: str


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
