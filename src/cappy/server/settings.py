"""The server's limits and access rules."""

from __future__ import annotations

from dataclasses import dataclass

from cappy.server.keys import check_key


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of a server.

    `body_bytes` limits one request body, `waiting_bytes` all bodies in memory together. `candidates` and
    `request_tokens` limit one request; `queue_tokens` limits the queue over all requests. `drain_seconds` is the time
    admitted work may take after a stop. `body_seconds` is the time a client may take to send a request, or to read a
    buffered response. `keep_alive_seconds` is how long an idle connection stays open, and `connections` how many may be
    open. `llm_most` limits the samples of one request, `llm_waiting` those in progress over all requests.
    `api_keys` are the accepted keys (none: no key is needed), `cors_origins` the web pages that may call the server,
    and `hosts` the host names it accepts (none: any).
    """

    body_bytes: int = 8 * 2**20
    waiting_bytes: int = 32 * 2**20
    candidates: int = 4096
    request_tokens: int = 2**18
    queue_tokens: int = 2**19
    drain_seconds: float = 30.0
    body_seconds: float = 30.0
    keep_alive_seconds: int = 75
    connections: int = 512
    llm_most: int = 64
    llm_waiting: int = 1024
    api_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the keys.

        Raises:
            InputError: a key is empty or contains white space.

        """
        for number, key in enumerate(self.api_keys, 1):
            check_key(key, f"API key {number}")
