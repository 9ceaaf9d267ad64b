"""Conversations as instructions: turns given as messages, or written out with "Human:" and "Assistant:"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SPEAKERS = {"user": "Human", "human": "Human", "assistant": "Assistant", "gpt": "Assistant", "system": "System"}
_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")


def as_instruction(asked: Any) -> str:
    """Return what was asked as one text: a single turn unchanged, several turns with their speakers.

    Raises:
        TypeError: `asked` is neither a text nor a list of messages.

    """
    if isinstance(asked, str):
        turns = _turns(asked)
        return asked.strip() if turns is None else _written(turns)
    return _written([_message(one) for one in asked])


def split_conversation(whole: Any) -> tuple[str, str]:
    """Split a conversation into what was asked, as one text, and its last answer.

    Raises:
        ValueError: it does not end with an answer.

    """
    turns = _turns(whole) if isinstance(whole, str) else [_message(one) for one in whole]
    if not turns or turns[-1][0] != "Assistant":
        raise ValueError("there is no instruction, and no conversation that ends with an answer")
    return _written(turns[:-1]), turns[-1][1]


def last_message(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the last message."""
    return _message(messages[-1])[1]


def earlier_answers(asked: str) -> list[str]:
    """Return the answers to earlier turns of a written-out conversation; none if there is one turn."""
    turns = _turns(asked) or []
    return [text for who, text in turns if who == "Assistant" and text]


def _message(message: Any) -> tuple[str, str]:
    """Return a message's speaker and text, from role and content or from from and value."""
    if not isinstance(message, Mapping):
        raise TypeError("a conversation must be a list of messages")
    who, text = message.get("role", message.get("from")), message.get("content", message.get("value"))
    if not isinstance(who, str) or not isinstance(text, str):
        raise TypeError("a message must have a role and a content")
    return SPEAKERS.get(who.lower(), who), text.strip()


def _turns(text: str) -> list[tuple[str, str]] | None:
    """Split a written-out conversation into its turns; None if the text is not one."""
    parts = _TURN.split(text)
    if len(parts) < 3 or parts[0].strip():
        return None
    return [(who, said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True)]


def _written(turns: Sequence[tuple[str, str]]) -> str:
    """Write turns out, or return the text of a single one. Empty turns are left out."""
    said = [turn for turn in turns if turn[1]]
    if len(said) == 1:
        return said[0][1]
    return "\n\n".join(f"{who}: {text}" for who, text in said)
