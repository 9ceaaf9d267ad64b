"""Request errors and their format in each API."""

from __future__ import annotations

from typing import Any

from cappy.errors import CappyError

RERANK_PATHS = ("/v1/rerank", "/v2/rerank")
INFERENCE_PATHS = ("/rerank", "/predict")
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
INFERENCE_NAMES = dict.fromkeys((400, 408, 413, 422), "Validation") | {429: "Overloaded", 503: "Unhealthy"}


class RequestError(CappyError):
    """A refused request: HTTP status, one sentence, and optionally seconds until a retry."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        """Refuse with `status`; `retry_after` is in seconds."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """The response headers of the error."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def error_body(path: str, status: int, message: str, request_id: str) -> dict[str, Any]:
    """Return the JSON of an error in the format that clients of `path` expect.

    The format is text-embeddings-inference's on `/rerank` and `/predict`, Cohere's (with Jina's `detail`) on
    `/v1/rerank` and `/v2/rerank`, and that of OpenAI and vLLM everywhere else.
    """
    # A text may contain a lone surrogate, which JSON encoders cannot write.
    safe = message.encode("utf-8", "replace").decode("utf-8")
    if path in INFERENCE_PATHS:
        return {"error": safe, "error_type": INFERENCE_NAMES.get(status, "Backend")}
    if path in RERANK_PATHS:
        return {"id": request_id, "message": safe, "detail": safe}
    name = NAMES.get(status, "InternalServerError")
    return {"error": {"message": safe, "type": name, "param": None, "code": status}}
