"""Refused requests; `error_schemas` gives them the format of each API."""

from __future__ import annotations

from cappy.errors import CappyError


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
