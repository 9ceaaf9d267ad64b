"""Turning a chat into scorable texts: a conversation into an instruction, a choice into a response. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool", "function": "Tool"}
INSTRUCTORS = ("system", "developer")
STAND_INS = {"image_url": "[image]", "input_image": "[image]", "input_audio": "[audio]", "file": "[file]"}


def instruction_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Format a conversation as the instruction that its next message answers.

    System (or developer) messages come first. A single user message follows unchanged; several turns follow as a
    transcript with one `User: …`, `Assistant: …` or `Tool: …` per line. Images, audio and files are named, not read.

    Raises:
        ValueError: a field does not follow the protocol.

    """
    for message in messages:
        calls_of(message)
        if not isinstance(message.get("role"), str):
            raise ValueError("a message must have a role")
    told = [text_of(message.get("content")) for message in messages if message["role"] in INSTRUCTORS]
    turns = [message for message in messages if message["role"] not in INSTRUCTORS]
    if len(turns) == 1 and turns[0]["role"] == "user":
        said = text_of(turns[0].get("content"))
    else:
        said = "\n".join(f"{_speaker(turn)}: {response_of(turn)}" for turn in turns)
    return "\n\n".join(text for text in (*told, said) if text)


def response_of(message: Mapping[str, Any]) -> str:
    """Return a message's text; a tool call becomes `name(arguments)`, a refusal stays as worded.

    Raises:
        ValueError: a field does not follow the protocol.

    """
    parts = [text_of(message.get("content"))]
    if not parts[0]:
        parts = [text_of(message.get("refusal"))]
    parts += [_call(call.get("function")) for call in calls_of(message)]
    if message.get("function_call"):
        parts.append(_call(message["function_call"]))
    return "\n".join(part for part in parts if part)


def text_of_choice(choice: Mapping[str, Any]) -> str:
    """Return the text of a choice that is scored: its message, including tool calls, or its text.

    Raises:
        ValueError: it has neither, or a field does not follow the protocol.

    """
    message = choice.get("message")
    if isinstance(message, Mapping):
        return response_of(message).strip()
    text = choice.get("text")
    if message is not None or "text" not in choice or not (text is None or isinstance(text, str)):
        raise ValueError("a choice must have a message or a text")
    return (text or "").strip()


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a message's tool calls.

    Raises:
        ValueError: they are not a list of objects.

    """
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
        raise ValueError("tool_calls must be a list of objects")
    return calls


def text_of(content: Any) -> str:
    """Return the text of a content: a string, or a list of parts.

    Raises:
        ValueError: it is neither.

    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("content must be a text or a list of parts")
    return "\n".join(part for part in map(_part, content) if part)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError("parts of a content must be texts or objects")
    if isinstance(part.get("text"), str):
        return str(part["text"])
    return STAND_INS.get(str(part.get("type")), "")


def _call(function: Any) -> str:
    if not isinstance(function, Mapping):
        return ""
    given = function.get("arguments")
    return f"{function.get('name', '')}({given if isinstance(given, str) else json.dumps(given or {})})"


def _speaker(message: Mapping[str, Any]) -> str:
    role = str(message["role"])
    return SPEAKERS.get(role, role.capitalize())
