"""What a request may ask for, what must not leave the server, and what an answer must not be."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import httpx
import openai
import pytest

from cappy.llm.decoding import Decoding
from cappy.llm.gguf import GgufLLM
from tests.llm.proxy import Handler, proxied
from tests.server.conftest import Running
from tests.server.proxy.test_best_of_n import ASK, answer_of, wanting


@pytest.fixture
def client(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=running.address + "/v1", api_key="unused", max_retries=0)


def answering(*texts: str | None, **message: Any) -> Any:
    """A fault that answers with these texts, whatever is asked."""
    content = json.dumps(answer_of(*texts, **message)).encode()  # type: ignore[arg-type]
    return lambda handler, _: handler.answer(200, content) or True


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n": 65}, "the limit is 64"),
        ({"n": 3, "extra_body": wanting(plan="greedy,temp0.7")}, "only 2 samples"),
        ({"extra_body": wanting(selector="self-sum")}, "request logprobs"),
    ],
)
def test_too_much_or_too_little_is_refused_before_sampling(
    client: openai.OpenAI, spoiled: Any, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=said):
        client.chat.completions.create(**ASK, **asked)
    assert not spoiled.bodies


def test_a_message_of_no_known_shape_is_refused(running: Running, spoiled: Any) -> None:
    body = {**ASK, "messages": [*ASK["messages"], {"role": "assistant", "content": None, "tool_calls": 5}]}
    answer = httpx.post(running.address + "/v1/chat/completions", json=body)
    assert answer.status_code == 422 and "tool_calls must be a list" in answer.text
    assert not spoiled.bodies


def test_many_prompts_of_many_samples_are_refused(client: openai.OpenAI, spoiled: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="2048 samples are requested; the limit"):
        client.completions.create(model="m", prompt=["a"] * 32, extra_body=wanting(n=64))
    assert not spoiled.bodies


def test_an_empty_answer_never_wins_over_another(client: openai.OpenAI, spoiled: Any) -> None:
    spoiled.fault = answering(None, "It is a river.", "", "Perhaps.")
    raw = client.chat.completions.with_raw_response.create(**ASK, n=4)
    texts = [choice.message.content for choice in raw.parse().choices]
    assert sorted(texts[:2]) == ["It is a river.", "Perhaps."] and not any(texts[2:])
    assert raw.headers["x-cappy-warning"] == "2 samples are empty"


def test_choices_of_no_known_shape_are_set_aside_and_asked_for_again(client: openai.OpenAI, spoiled: Any) -> None:
    given = 0

    def some(handler: Handler, body: dict[str, Any]) -> bool:
        nonlocal given
        given += 1
        broken = answer_of("never", tool_calls=7) if given == 1 else answer_of(f"answer {given}")
        whole = {**broken, "choices": [*broken["choices"], *answer_of("the sea")["choices"]][: body.get("n", 1)]}
        return handler.answer(200, json.dumps(whole).encode()) or True

    spoiled.fault = some
    answer = client.chat.completions.create(**ASK, n=2, extra_body=wanting(n=2))
    texts = {choice.message.content for choice in answer.choices}
    assert "the sea" in texts and "never" not in texts and len(texts) == 2
    spoiled.fault = answering("never", tool_calls=7)
    with pytest.raises(openai.InternalServerError, match="without choices"):
        client.chat.completions.create(**ASK)


def test_a_broken_choice_beside_a_failed_request_costs_no_others(client: openai.OpenAI, spoiled: Any) -> None:
    given = 0

    def some(handler: Handler, _: dict[str, Any]) -> bool:
        nonlocal given
        given += 1
        if given > 1:
            return handler.answer(500, b"{}") or True
        whole = answer_of("the sea")
        whole["choices"] += answer_of("never", tool_calls=7)["choices"]
        return handler.answer(200, json.dumps(whole).encode()) or True

    spoiled.fault = some
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_body=wanting(n=16))
    assert raw.parse().choices[0].message.content == "the sea" and raw.headers["x-cappy-failed"] == "15"


def test_several_greedy_answers_are_asked_for_one_by_one(client: openai.OpenAI, spoiled: Any) -> None:
    client.chat.completions.create(**ASK, temperature=0, n=2)
    client.chat.completions.create(**ASK)
    assert [body.get("n", 1) for body in spoiled.bodies] == [1, 1, 4]


def test_an_empty_refusal_keeps_its_headers(client: openai.OpenAI, running: Running, spoiled: Any) -> None:
    def failures() -> float:
        told = httpx.get(running.address + "/metrics").text.split("\n")
        return float(next(line for line in told if line.startswith("cappy_samples_failed_total ")).split()[1])

    before = failures()
    spoiled.fault = lambda handler, _: handler.answer(429, b"", Retry_After="9", x_ratelimit_limit="5") or True
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(**ASK)
    headers = limited.value.response.headers
    assert headers["retry-after"] == "9" and headers["x-ratelimit-limit"] == "5"
    assert headers["content-type"] == "application/json" and failures() == before + 4


def test_the_servers_own_key_stays_here(spoiled: Any) -> None:
    seen: list[str | None] = []

    def watch(handler: Handler, _: dict[str, Any]) -> bool:
        seen.append(handler.headers.get("Authorization"))
        return answering("yes")(handler, _)

    spoiled.fault = watch
    running = Running("--llm", spoiled.address, "--api-key", "secret", "-n", "1")
    try:
        for headers, status in (
            ({"Authorization": "Bearer secret"}, 200),
            ({"X-API-Key": "secret", "Authorization": "Bearer theirs"}, 200),
            ({"X-API-Key": "secret", "Authorization": "secret"}, 200),
            ([("Authorization", "Bearer secret"), ("Authorization", "Bearer theirs")], 200),
            ({"Authorization": "Bearer theirs"}, 401),
        ):
            answer = httpx.post(running.address + "/v1/chat/completions", json=ASK, headers=headers)
            assert answer.status_code == status
        assert seen == [None, "Bearer theirs", None, None]
    finally:
        running.stop()


def test_a_model_that_drips_is_given_up_in_time(smollm2: GgufLLM) -> None:
    ended = threading.Event()

    def drip(handler: Handler, _: dict[str, Any]) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        while not ended.wait(0.2):
            handler.wfile.write(b" ")
            handler.wfile.flush()
        return True

    with proxied(smollm2.address.removesuffix("/v1"), drip) as slow:
        running = Running("--llm", slow.address, "--llm-seconds", "1.5", "-n", "1")
        try:
            begun = time.monotonic()
            answer = httpx.post(running.address + "/v1/chat/completions", json=ASK, timeout=30)
            assert answer.status_code == 504 and time.monotonic() - begun < 10
        finally:
            ended.set()
            running.stop()


def test_a_model_on_this_machine_is_not_behind_the_environments_proxy(
    smollm2: GgufLLM, spoiled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "NO_PROXY", "")
    assert smollm2.generate(["Hello"], Decoding("sampling", min_tokens=0, max_tokens=4), 0)[0].samples
    spoiled.fault = answering("yes")
    running = Running("--llm", spoiled.address, "-n", "1")
    try:
        with httpx.Client(trust_env=False) as client:
            assert client.post(running.address + "/v1/chat/completions", json=ASK).status_code == 200
    finally:
        running.stop()
