"""Best of n through the official openai client, before a real model, on good days and bad ones."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

import cappy
from cappy.llm.gguf import GgufLLM
from cappy.llm.model import Sample
from cappy.selection.learned import read_choosing
from cappy.server.metrics import Metrics
from cappy.server.proxy.upstream import Address, Request, Upstream
from tests.llm.proxy import Handler, first
from tests.server.conftest import Running

ASK: dict[str, Any] = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 8,
}


@pytest.fixture
def client(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=running.address + "/v1", api_key="unused", max_retries=0)


def wanting(**wishes: Any) -> dict[str, Any]:
    return {"cappy": wishes}


def test_the_best_come_first_with_the_scores_of_the_scorer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(**ASK, n=2, extra_body=wanting(n=6, candidates=True))
    said = answer.model_extra["cappy"]["candidates"]
    assert len(said) == 6 and said == sorted(said, key=lambda one: -one["value"])
    assert [choice.message.content.strip() for choice in answer.choices] == [one["text"] for one in said[:2]]
    assert [choice.index for choice in answer.choices] == [0, 1]
    offline = cappy.load("mini").score(ASK["messages"][0]["content"], [one["text"] for one in said])
    assert [one["score"] for one in said] == pytest.approx(list(offline), abs=1e-4)
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


def test_a_scorer_that_has_learnt_to_choose_chooses_by_that(
    upstream: Any, smollm2: GgufLLM, client: openai.OpenAI, tmp_path: Path
) -> None:
    examples = [(f"Name a {thing}.", f"the {thing}") for thing in ("cat", "dog", "house", "river", "fire", "wind")]
    samples = [[answer, "Well, there are many of them, are there not?"] for _, answer in examples]
    taught = cappy.learn_choosing(cappy.load("mini"), examples, tmp_path / "task", samples=samples)
    choosing = read_choosing(taught.folder)
    assert choosing is not None
    server = Running("--llm", upstream.address, "--llm-key", smollm2.key, "-m", str(taught.folder))
    try:
        asking = openai.OpenAI(base_url=server.address + "/v1", api_key="unused", max_retries=0)
        answer = asking.chat.completions.create(**ASK, extra_body=wanting(n=6, candidates=True))
        early = asking.chat.completions.create(**ASK, extra_body=wanting(n=8, adaptive=True, candidates=True))
    finally:
        assert "Traceback" not in server.stop()
    drawn = [one["text"] for one in early.model_extra["cappy"]["candidates"]]
    known = choosing.values(taught.scorer, ASK["messages"][0]["content"], [Sample(text) for text in drawn])
    assert len(drawn) in (4, 8) and early.choices[0].message.content.strip() == drawn[int(np.argmax(known))]
    texts = [one["text"] for one in answer.model_extra["cappy"]["candidates"]]
    values = choosing.values(taught.scorer, ASK["messages"][0]["content"], [Sample(text) for text in texts])
    assert answer.choices[0].message.content.strip() == texts[int(np.argmax(values))]
    with pytest.raises(openai.UnprocessableEntityError, match="has not learnt to choose"):
        client.chat.completions.create(**ASK, extra_body=wanting(selector="learnt"))


def test_headers_choose_too_and_tell_what_was_done(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_headers={"X-Cappy-N": "3"})
    assert raw.headers["x-cappy-samples"] == "3" and -1 < float(raw.headers["x-cappy-score"]) < 2
    assert raw.headers["x-cappy-scorer"] == "cappy-mini" and "x-cappy-failed" not in raw.headers
    assert len(raw.parse().choices) == 1 and "cappy" not in raw.parse().model_extra


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    greedy = {**ASK, "temperature": 0}
    whole = client.chat.completions.create(**greedy)
    parts = list(client.chat.completions.create(**greedy, stream=True, stream_options={"include_usage": True}))
    assert parts[0].choices[0].delta.role == "assistant"
    texts = [part.choices[0].delta.content or "" for part in parts if part.choices]
    assert "".join(texts) == whole.choices[0].message.content and len(texts) > 3
    assert parts[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert parts[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_one_sample_is_enough_where_all_would_be_the_same(client: openai.OpenAI, spoiled: Any) -> None:
    client.chat.completions.create(**ASK, temperature=0)
    assert [body.get("n", 1) for body in spoiled.bodies] == [1]


def test_completions_of_several_prompts(client: openai.OpenAI) -> None:
    prompts = ["one, two, three,", "The capital of France is"]
    answer = client.completions.create(
        model="m", prompt=prompts, max_tokens=6, n=2, extra_body=wanting(candidates=True)
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for place, said in enumerate(answer.model_extra["cappy"]):
        best = [choice.text.strip() for choice in answer.choices[2 * place : 2 * place + 2]]
        assert best == [one["text"] for one in said["candidates"][:2]]
    streamed = client.completions.create(model="m", prompt=prompts[0], max_tokens=6, temperature=0, stream=True)
    assert "four" in "".join(part.choices[0].text for part in streamed)


def test_all_fields_pass_through_but_ours(client: openai.OpenAI, spoiled: Any, smollm2: GgufLLM) -> None:
    seen: list[str] = []

    def watch(handler: Handler, _: dict[str, Any]) -> bool:
        seen.append(handler.headers["Authorization"])
        return False

    spoiled.fault = watch
    client.chat.completions.create(
        **ASK, stop=["#"], logit_bias={"5": -1}, user="me", extra_body={"min_p": 0.1, "cappy": {}}
    )
    (body,) = spoiled.bodies
    assert body == {**ASK, "stop": ["#"], "logit_bias": {"5": -1}, "user": "me", "min_p": 0.1, "n": 4}
    assert seen == [f"Bearer {smollm2.key}"]


def test_a_plan_asks_for_each_decoding(client: openai.OpenAI, spoiled: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_body=wanting(plan="greedy,temp0.7*2,topk5"))
    assert [(b["temperature"], b.get("top_k"), b.get("n", 1)) for b in spoiled.bodies] == [
        (0.0, None, 1),
        (0.7, None, 2),
        (1.0, 5, 1),
    ]
    assert raw.headers["x-cappy-samples"] == "4"


def test_adaptive_requests_stop_early(client: openai.OpenAI, running: Running, spoiled: Any) -> None:
    def alike(handler: Handler, body: dict[str, Any]) -> bool:
        handler.answer(200, json.dumps(answer_of(*["Paris is the capital of France."] * body["n"])).encode())
        return True

    spoiled.fault = alike
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_body=wanting(n=32, adaptive=True))
    drawn = int(raw.headers["x-cappy-samples"])
    assert 4 <= drawn < 32 and len(spoiled.bodies) == drawn / 4
    told = httpx.get(running.address + "/metrics").text.split("\n")
    saved = [line for line in told if line.startswith("cappy_samples_saved_total ")]
    assert float(saved[0].split()[1]) >= 32 - drawn


def answer_of(*texts: str, **message: Any) -> dict[str, Any]:
    choices = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text, **message}}
        for i, text in enumerate(texts)
    ]
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}


def test_calls_of_tools_are_candidates_and_come_back_whole(client: openai.OpenAI, spoiled: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "capital", "arguments": '{"of": "France"}'}}
    answer = answer_of("I do not know.")
    answer["choices"] += answer_of(None, tool_calls=[call])["choices"]  # type: ignore[arg-type]
    spoiled.fault = lambda handler, _: handler.answer(200, json.dumps(answer).encode()) or True
    found = client.chat.completions.create(**ASK, n=2, extra_body=wanting(n=2, candidates=True))
    texts = [one["text"] for one in found.model_extra["cappy"]["candidates"]]
    assert sorted(texts) == ["I do not know.", 'capital({"of": "France"})']
    (called,) = [choice.message for choice in found.choices if choice.message.tool_calls]
    assert called.tool_calls[0].model_dump() == call and called.content is None
    parts = client.chat.completions.create(**ASK, n=2, stream=True, extra_body=wanting(n=2))
    deltas = [one.delta for part in parts for one in part.choices if one.delta.tool_calls]
    assert deltas[0].tool_calls[0].function.arguments == '{"of": "France"}'


def test_refusals_pass_through_as_they_are(client: openai.OpenAI, spoiled: Any) -> None:
    spoiled.fault = lambda handler, _: handler.refuse(429, "slow down", Retry_After="7")
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(**ASK)
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.response.json() == {"error": {"message": "slow down"}}
    spoiled.fault = lambda handler, _: handler.refuse(400, "no such field")
    with pytest.raises(openai.BadRequestError, match="no such field"):
        client.chat.completions.create(**ASK, stream=True)


@pytest.mark.parametrize(("spoil", "status"), [("lost", 502), ("garbage", 502), ("nothing", 502), ("teapot", 418)])
def test_other_failures(client: openai.OpenAI, spoiled: Any, spoil: str, status: int) -> None:
    def fault(handler: Handler, _: dict[str, Any]) -> bool:
        if spoil == "lost":
            handler.connection.shutdown(2)
        elif spoil == "teapot":
            handler.refuse(418, "short and stout")
        else:
            handler.answer(200, b"<html>" if spoil == "garbage" else b'{"choices": []}')
        return True

    spoiled.fault = fault
    with pytest.raises(openai.APIStatusError) as found:
        client.chat.completions.create(**ASK)
    assert found.value.status_code == status and "error" in found.value.response.json()


def test_some_failures_degrade_to_the_rest(client: openai.OpenAI, spoiled: Any) -> None:
    spoiled.fault = first(1, lambda handler, _: handler.refuse(500, "broken"))
    raw = client.chat.completions.with_raw_response.create(**ASK, extra_body=wanting(n=12))
    samples, failed = int(raw.headers["x-cappy-samples"]), int(raw.headers["x-cappy-failed"])
    assert samples + failed == 12 and samples in (4, 8)
    assert "500" in raw.headers["x-cappy-warning"]


@pytest.mark.parametrize("kind", ["ignores", "refuses"])
def test_servers_that_know_no_n(spoiled: Any, smollm2: GgufLLM, kind: str) -> None:
    def fault(handler: Handler, body: dict[str, Any]) -> bool:
        if kind == "refuses" and body.get("n", 1) > 1:
            return handler.refuse(400, "'n' must be 1")
        handler.answer(*handler.forward({**body, "n": 1}))
        return True

    async def draw() -> tuple[Any, Any]:
        behind = Upstream(Address(spoiled.address, smollm2.key), Metrics())
        try:
            request = Request("/chat/completions", {})
            return await behind.draw(request, {**ASK, "seed": 5}, 4), await behind.draw(request, ASK, 2)
        finally:
            await behind.close()

    spoiled.fault = fault
    (answers, errors), (again, _) = asyncio.run(draw())
    texts = [choice["message"]["content"] for answer in answers for choice in answer["choices"]]
    assert len(texts) == 4 and len(set(texts)) > 1 and not errors and len(again) == 2
    assert [body.get("n", 1) for body in spoiled.bodies[-2:]] == [1, 1]


def test_wrong_wishes_are_refused_before_anything_is_sampled(client: openai.OpenAI, spoiled: Any) -> None:
    for wishes in ({"n": 1000}, {"selector": "luck"}, {"plan": "beam4"}):
        with pytest.raises(openai.UnprocessableEntityError, match=r"cappy|samples"):
            client.chat.completions.create(**ASK, extra_body=wanting(**wishes))
    with pytest.raises(openai.UnprocessableEntityError, match="messages"):
        client.chat.completions.create(model="m", messages=[])
    assert not spoiled.bodies


def test_models_are_the_language_models_and_the_scorers(client: openai.OpenAI) -> None:
    assert {"smollm2", "cappy-mini"} <= {one.id for one in client.models.list()}


def test_without_a_language_model_the_answer_says_how_to_get_one(server: str) -> None:
    with pytest.raises(openai.NotFoundError, match="cappy serve --llm"):
        openai.OpenAI(base_url=server + "/v1", api_key="x").chat.completions.create(**ASK)


def test_a_stop_lets_requests_finish_or_ends_them_in_time(spoiled: Any, smollm2: GgufLLM) -> None:
    held, go = threading.Semaphore(0), threading.Event()

    def slow(handler: Handler, body: dict[str, Any]) -> bool:
        held.release()
        go.wait(3 if body.get("user") == "quick" else 30)
        return False

    spoiled.fault = slow
    server = Running("--llm", spoiled.address, "--llm-key", smollm2.key, "-n", "2", "--drain-seconds", "6")

    def ask(user: str) -> httpx.Response:
        return httpx.post(server.address + "/v1/chat/completions", json={**ASK, "user": user}, timeout=60)

    with ThreadPoolExecutor(2) as pool:
        quick, long = pool.submit(ask, "quick"), pool.submit(ask, "long")
        assert held.acquire(timeout=30) and held.acquire(timeout=30)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert ask("late").status_code == 503
        assert quick.result().status_code == 200
        assert long.result().status_code == 503
    go.set()
    assert server.process.wait(timeout=30) == 0


def test_a_client_that_leaves_ends_the_request_to_the_language_model(running: Running, spoiled: Any) -> None:
    ended = threading.Event()

    def watch(handler: Handler, _: dict[str, Any]) -> bool:
        handler.connection.settimeout(15)
        if not handler.connection.recv(1):  # the other side closed
            ended.set()
        handler.close_connection = True
        return True

    spoiled.fault = watch
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(running.address + "/v1/chat/completions", json=ASK, timeout=1)
    assert ended.wait(10)
