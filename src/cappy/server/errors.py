"""What a request can be refused for, and each dialect's own way to say it."""

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
    """A request that is refused: its HTTP status, one sentence, and after how many seconds to try again."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        """Refuse with `status`; `retry_after` is in seconds."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that go with it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def error_body(path: str, status: int, message: str, request_id: str) -> dict[str, Any]:
    """Return the JSON of an error as the clients of `path` read it.

    text-embeddings-inference's on `/rerank` and `/predict`, Cohere's (with Jina's `detail`) on `/v1/rerank` and
    `/v2/rerank`, OpenAI's and vLLM's everywhere else.
    """
    # A text may hold half a surrogate pair, which no JSON encoder can write.
    safe = message.encode("utf-8", "replace").decode("utf-8")
    if path in INFERENCE_PATHS:
        return {"error": safe, "error_type": INFERENCE_NAMES.get(status, "Backend")}
    if path in RERANK_PATHS:
        return {"id": request_id, "message": safe, "detail": safe}
    name = NAMES.get(status, "InternalServerError")
    return {"error": {"message": safe, "type": name, "param": None, "code": status}}
