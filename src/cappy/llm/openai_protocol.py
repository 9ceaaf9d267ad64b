"""The OpenAI protocol as data: request bodies for a decoding, and samples from answers. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample

EXTENSIONS = ("top_k", "min_p", "min_tokens", "use_beam_search")
"""Fields that servers of open models accept and OpenAI refuses."""


def is_loopback(url: str) -> bool:
    """Return whether a URL points to this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def request_body(
    model: str, prompt: str, decoding: Decoding, count: int, seed: int, *, chat: bool, left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the request body for `count` samples; fields in `left_out` are not sent.

    top_k and min_p are sent even if they have no effect, because llama.cpp and Ollama have defaults of their own.
    """
    body: dict[str, Any] = {"model": model, "n": count, "max_tokens": decoding.max_tokens, "seed": seed % 2**31}
    body |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": decoding.top_k, "min_p": 0.0}
    if decoding.min_tokens:
        body["min_tokens"] = decoding.min_tokens
    if decoding.beams > 1:
        body |= {"use_beam_search": True, "n": max(decoding.beams, count), "temperature": 0.0}
    if chat:
        body |= {"messages": [{"role": "user", "content": prompt}], "logprobs": True, "top_logprobs": 1}
    else:
        body |= {"prompt": prompt, "logprobs": 1}
    if "max_tokens" in left_out:  # OpenAI's newer models use another name for the limit
        body["max_completion_tokens"] = decoding.max_tokens
    return {key: value for key, value in body.items() if key not in left_out}


def needed_fields(decoding: Decoding) -> list[str]:
    """Return the fields that this decoding needs."""
    return [name for name, wanted in (("top_k", decoding.top_k), ("use_beam_search", decoding.beams > 1)) if wanted]


def refused_fields(message: str, body: Mapping[str, Any]) -> list[str]:
    """Return the optional fields of `body` that a refusal names."""
    optional = [*EXTENSIONS, "seed", "top_logprobs", "logprobs"]
    if "max_completion_tokens" in message:
        optional.append("max_tokens")
    return [name for name in optional if name in body and re.search(rf"(?<!\w){name}(?!\w)", message)]


def read_samples(answer: Any, decoding: str) -> list[Sample]:
    """Read the samples of an answer to a chat or a completion request.

    Raises:
        ValueError: the answer does not have the protocol's shape.

    """
    choices = answer.get("choices") if isinstance(answer, Mapping) else None
    if not isinstance(choices, list):
        raise ValueError("it has no list of choices")
    return [_read_choice(choice, decoding) for choice in choices]


def prompt_tokens(answer: Mapping[str, Any]) -> int | None:
    """Return the number of prompt tokens, if the server reports it."""
    usage = answer.get("usage")
    found = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return found if isinstance(found, int) else None


def _read_choice(choice: Any, decoding: str) -> Sample:
    if not isinstance(choice, Mapping):
        raise ValueError("a choice is no object")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text")
    if text is None and isinstance(message, Mapping):
        text = ""  # refusals and tool calls have no text
    if not isinstance(text, str):
        raise ValueError("a choice has no text")
    values = _log_probabilities(choice.get("logprobs"))
    if values is None:
        return Sample(text.strip(), decoding)
    return Sample(text.strip(), decoding, sum(values), len(values))


def _log_probabilities(found: Any) -> list[float] | None:
    """Read a choice's token log probabilities in the chat shape or the older completion shape."""
    if not isinstance(found, Mapping):
        return None
    values: Any = found.get("token_logprobs")
    if values is None and isinstance(found.get("content"), list):
        values = [token.get("logprob") for token in found["content"] if isinstance(token, Mapping)]
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        return None
    return [float(value) for value in values]
