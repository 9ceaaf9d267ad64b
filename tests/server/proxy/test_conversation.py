"""What of a chat is scored, and answers put together: pure functions."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.server.errors import RequestError
from cappy.server.proxy.options import Wishes, read_wishes
from cappy.server.proxy.response import added, chunks, whole, written
from cappy.server.proxy.upstream import readable
from cappy.text.conversation import instruction_of, text_of_choice


def said(role: str, content: object, **more: object) -> dict:
    return {"role": role, "content": content, **more}


def test_one_message_is_the_instruction() -> None:
    assert instruction_of([said("user", "Why?")]) == "Why?"
    assert instruction_of([said("system", "Be brief."), said("user", "Why?")]) == "Be brief.\n\nWhy?"


def test_turns_become_a_transcript() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        said("developer", "Be brief."),
        said("user", [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]),
        said("assistant", None, tool_calls=[call]),
        said("tool", "2", tool_call_id="1"),
        said("user", "And now?"),
    ]
    assert instruction_of(messages) == (
        'Be brief.\n\nUser: What is this?\n[image]\nAssistant: add({"a": 1})\nTool: 2\nUser: And now?'
    )


def test_what_of_a_choice_is_scored() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    assert text_of_choice({"message": {"content": " yes "}}) == "yes"
    assert text_of_choice({"message": {"content": None, "tool_calls": [call, call]}}) == "f({})\nf({})"
    assert text_of_choice({"message": {"content": None, "refusal": "No."}}) == "No."
    assert text_of_choice({"text": " go on"}) == "go on"
    assert text_of_choice({"text": None}) == text_of_choice({"message": {"content": ""}}) == ""
    for broken in ({}, {"message": None}, {"message": "hi"}, {"text": 5}, {"message": {"content": {"a": 1}}}):
        with pytest.raises(ValueError, match="must"):
            text_of_choice(broken)


FIELDS = ("role", "content", "refusal", "tool_calls", "function_call", "function", "arguments", "name", "text", "type")
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
fields = st.sampled_from((*FIELDS, "message", "logprobs", "finish_reason"))
anything = st.recursive(
    leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(fields, one, max_size=4), max_leaves=12
)


@given(st.lists(st.dictionaries(fields, anything, max_size=5), max_size=3))
def test_messages_of_any_json_are_read_or_refused(messages: list[dict]) -> None:
    try:
        assert isinstance(instruction_of(messages), str)
    except ValueError as error:
        assert " must " in str(error)


@given(anything, st.dictionaries(st.sampled_from(["total_tokens", "details"]), anything))
def test_choices_of_any_json_are_read_or_set_aside(choices: object, usage: dict) -> None:
    kept = readable(choices)
    assert [isinstance(text_of_choice(choice), str) for choice in kept] == [True] * len(kept)
    if kept:
        body = whole([{"usage": usage}, {"usage": {"total_tokens": 1}}], kept, None)
        json.loads(written(body))
        assert events(b"".join(chunks(body, True)))


def test_messages_without_a_known_shape_are_refused() -> None:
    for broken in ({"foo": 1}, said("user", 5), said("user", {"a": 1}), said("user", [5]), {"role": 5, "content": "a"}):
        with pytest.raises(ValueError, match="must"):
            instruction_of([broken])


def test_calls_that_are_none_are_refused() -> None:
    for calls in (5, "a", [5], {}, False):
        with pytest.raises(ValueError, match="tool_calls must be a list of objects"):
            instruction_of([said("user", "Why?"), said("assistant", None, tool_calls=calls)])
        with pytest.raises(ValueError, match="tool_calls must be a list of objects"):
            instruction_of([said("system", "Be brief.", tool_calls=calls), said("user", "Why?")])
        assert readable([{"message": {"tool_calls": calls}}]) == []


def events(content: bytes) -> list:
    lines = [line.removeprefix("data: ") for line in content.decode().split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


@given(st.lists(st.text(), min_size=1, max_size=3), st.booleans())
def test_chunks_put_together_are_the_answer(texts: list[str], with_usage: bool) -> None:
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "length"} for text in texts]
    body = whole([{"id": "a", "choices": [], "usage": {"total_tokens": 3}}], choices, None)
    found = events(b"".join(chunks(body, with_usage)))
    for place, text in enumerate(texts):
        parts = [one for event in found for one in event["choices"] if one["index"] == place]
        assert "".join(part["delta"].get("content") or "" for part in parts) == text
        assert parts[0]["delta"]["role"] == "assistant" and parts[-1]["finish_reason"] == "length"
        assert not any(part["finish_reason"] for part in parts[:-1])
    assert [event["usage"] for event in found if event.get("usage")] == [{"total_tokens": 3}] * with_usage


@given(st.text())
def test_chunks_of_completions(text: str) -> None:
    body = whole([{"id": "a", "choices": []}], [{"text": text, "finish_reason": None, "logprobs": {"x": 1}}], None)
    found = [event["choices"][0] for event in events(b"".join(chunks(body, False)))]
    assert "".join(one["text"] for one in found) == text and found[-1]["finish_reason"] == "stop"


def test_usage_is_added_up() -> None:
    one = {"prompt_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2, "x": None}, "name": "y"}
    assert added([one, None, one]) == {"prompt_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 4}}


def test_numbers_json_has_no_word_for_become_null() -> None:
    assert json.loads(written({"a": [math.nan, 1.5, -math.inf], "b": "\ud800"})) == {
        "a": [None, 1.5, None],
        "b": "\ud800",
    }


def test_headers_go_before_the_body_and_that_before_the_defaults() -> None:
    defaults = Wishes(n=4, adaptive=True)
    assert read_wishes(defaults, None, {}, 64) == defaults
    assert read_wishes(defaults, {"n": 6, "selector": "mbr"}, {"x-cappy-n": "7"}, 64) == Wishes(
        n=7, adaptive=True, selector="mbr"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0},
        {"n": 65},
        {"n": "many"},
        {"samples": 3},
        {"selector": "beam"},
        {"plan": "beam4"},
        {"plan": "hot"},
        {"plan": "sampling*65"},
        {"adaptive": "perhaps"},
    ],
)
def test_what_is_not_understood_is_refused(wrong: dict) -> None:
    with pytest.raises(RequestError, match=r"cappy\.|samples are requested") as found:
        read_wishes(Wishes(), wrong, {}, 64)
    assert found.value.status == 422
