"""Building the protocol's response from chosen samples, whole or streamed. Pure functions over JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cappy.text.conversation import calls_of

_UNSAID: dict[str, Any] = {"logprobs": None, "finish_reason": None}
_PIECES = re.compile(r"\s*\S+\s*|\s+")


def added(usages: Sequence[Any]) -> dict[str, Any]:
    """Sum the usage of answers, including details; fields that are not numbers are left out."""
    total: dict[str, Any] = {}
    for usage in usages:
        if not isinstance(usage, Mapping):
            continue
        for name, value in usage.items():
            before = total.get(name)
            if isinstance(value, Mapping):
                total[name] = added([before, value])
            elif _is_number(value):
                total[name] = value + (before if _is_number(before) else 0)
    return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(answers: Sequence[Mapping[str, Any]], choices: Sequence[Mapping[str, Any]], extra: Any) -> dict[str, Any]:
    """Put the chosen choices into the first answer; `extra` is the field `cappy`, omitted if None."""
    body = {name: value for name, value in answers[0].items() if name not in ("choices", "usage", "timings")}
    body["choices"] = [{**choice, "index": place} for place, choice in enumerate(choices)]
    usage = added([answer.get("usage") for answer in answers])
    if usage:
        body["usage"] = usage
    if extra is not None:
        body["cappy"] = extra
    return body


def written(body: Any) -> bytes:
    """Write JSON; NaN and infinity, which some servers send, become null."""
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(body)).encode()


def chunks(body: Mapping[str, Any], with_usage: bool) -> Iterator[bytes]:
    """Yield a whole answer as server-sent events: roles, deltas, finish reasons, usage, `[DONE]`."""
    chat = any("message" in choice for choice in body["choices"])
    frame = {name: value for name, value in body.items() if name not in ("choices", "usage", "cappy")}
    frame["object"] = "chat.completion.chunk" if chat else "text_completion"
    if with_usage:
        frame["usage"] = None
    for choice in body["choices"]:
        for part in _chat_parts(choice) if chat else _text_parts(choice):
            yield _event({**frame, "choices": [{"index": choice["index"], **_UNSAID, **part}]})
    if with_usage:
        yield _event({**frame, "choices": [], "usage": body.get("usage")})
    if "cappy" in body:
        yield _event({**frame, "choices": [], "cappy": body["cappy"]})
    yield b"data: [DONE]\n\n"


def _chat_parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    message = choice.get("message") or {}
    content = message.get("content")
    pieces = _PIECES.findall(content) if isinstance(content, str) else []
    yield {"delta": {"role": message.get("role", "assistant"), "content": "" if pieces else content}}
    others = {k: v for k, v in message.items() if k not in ("role", "content", "tool_calls") and v is not None}
    if others:
        yield {"delta": others}
    for place, piece in enumerate(pieces):
        part = {"delta": {"content": piece}}
        yield {**part, "logprobs": choice.get("logprobs")} if place == 0 else part
    for place, call in enumerate(calls_of(message)):
        yield {"delta": {"tool_calls": [{"index": place, **call}]}}
    rest = {k: v for k, v in choice.items() if k not in ("index", "message", "logprobs", "finish_reason")}
    yield {"delta": {}, **rest, "finish_reason": choice.get("finish_reason") or "stop"}


def _text_parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    pieces = _PIECES.findall(str(choice.get("text") or ""))
    for place, piece in enumerate(pieces):
        part = {"text": piece}
        yield {**part, "logprobs": choice.get("logprobs")} if place == 0 else part
    rest = {k: v for k, v in choice.items() if k not in ("index", "text", "logprobs", "finish_reason")}
    yield {"text": "", **rest, "finish_reason": choice.get("finish_reason") or "stop"}


def _event(body: Any) -> bytes:
    return b"data: " + written(body) + b"\n\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
