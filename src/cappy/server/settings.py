"""How much a server takes on, and who may ask."""

from __future__ import annotations

from dataclasses import dataclass

from cappy.server.keys import check_key


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of a server.

    `body_bytes` is the largest request body, `waiting_bytes` what those inside may have together; `candidates` and
    `request_tokens` what one request may ask for; `queue_tokens` what may wait at once, over all requests;
    `drain_seconds` how long admitted work may take after a stop; `body_seconds` how long a client may take to send a
    request, or to read an answer that piles up; `keep_alive_seconds` how long an idle connection is kept;
    `connections` how many may be open; `llm_most` the samples one request may ask of a language model, `llm_waiting`
    those that may be under way at once, over all requests; `api_keys` are accepted keys (none: everybody may ask);
    `cors_origins` web pages that may ask; `hosts` the names that requests may call the server by (none: any).
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
        """Refuse keys that are none.

        Raises:
            InputError: a key is empty or holds white space.

        """
        for number, key in enumerate(self.api_keys, 1):
            check_key(key, f"API key {number}")
