"""Models behind servers: a real llama.cpp server, and the same one with faults before it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest

from cappy.errors import InputError, LanguageModelError
from cappy.llm.decoding import Decoding, parse_plan
from cappy.llm.gguf import GgufLLM
from cappy.llm.openai_llm import OpenAILLM
from cappy.llm.registry import fetch_model
from tests.llm.proxy import Handler, first, healthy, proxied

PROMPTS = ["Name the capital of France.", "What is 2 + 2? Answer with a number."]
DRAW = Decoding("sampling", 3, min_tokens=0, max_tokens=8)


@pytest.fixture
def upstream(smollm2: GgufLLM) -> str:
    return str(smollm2._base_url).removesuffix("/v1")


def behind(smollm2: GgufLLM, address: str, **options: Any) -> OpenAILLM:
    return OpenAILLM("smollm2", address, smollm2._api_key, **{"timeout": 30.0, "retries": 2, **options})


def test_a_real_model_answers(smollm2: GgufLLM) -> None:
    for decoding in parse_plan("greedy,sampling*3,topk5*2,topp0.9", max_tokens=8):
        found = smollm2.generate(PROMPTS, decoding, seed=1)
        assert [len(one.samples) for one in found] == [decoding.count] * 2
        assert not any(one.error for one in found)
        assert all((one.prompt_tokens or 0) > 10 for one in found)
        for sample in found[0].samples:
            assert sample.log_likelihood is not None and sample.log_likelihood <= 0
            assert 1 <= (sample.tokens or 0) <= 8 and sample.decoding == decoding.name
    assert "Paris" in smollm2.generate(PROMPTS, Decoding("greedy", temperature=0, max_tokens=16), 0)[0].texts[0]


def test_a_seed_decides_whatever_the_company(smollm2: GgufLLM) -> None:
    together = smollm2.generate(PROMPTS, DRAW, seed=1)
    alone = [smollm2.generate([prompt], DRAW, seed=1)[0] for prompt in PROMPTS]
    assert [one.texts for one in together] == [one.texts for one in alone]
    assert smollm2.generate(PROMPTS, DRAW, seed=2)[0].texts != together[0].texts


def test_beams_are_likelier_than_greedy(smollm2: GgufLLM) -> None:
    beam, greedy = (smollm2.generate(PROMPTS, one, 0) for one in parse_plan("beam3,greedy", max_tokens=8))
    for searched, straight in zip(beam, greedy, strict=True):
        best, taken = searched.samples[0], straight.samples[0]
        assert best.mean_log_likelihood is not None and taken.mean_log_likelihood is not None
        assert best.mean_log_likelihood >= taken.mean_log_likelihood - 1e-3


def test_plain_completion_and_a_running_loop(smollm2: GgufLLM, upstream: str) -> None:
    plain = behind(smollm2, f"{upstream}/v1", chat=False)

    async def inside() -> Any:
        return plain.generate(["one, two, three,"], Decoding("greedy", temperature=0, max_tokens=4), 0)

    (found,) = asyncio.run(inside())
    assert "four" in found.texts[0]


def test_busy_servers_are_asked_again_when_they_say(smollm2: GgufLLM, upstream: str) -> None:
    def busy(handler: Handler, _: dict[str, Any]) -> bool:
        return handler.refuse(429, "too many requests", Retry_After="1")

    begun = time.monotonic()
    with proxied(upstream, first(1, busy)) as proxy:
        found = behind(smollm2, proxy.address, concurrency=1).generate(PROMPTS[:1], DRAW, 0)
    assert len(found[0].samples) == 3 and not found[0].error
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize("kind", ["500", "lost", "garbage", "html"])
def test_a_failure_is_repeated(smollm2: GgufLLM, upstream: str, kind: str) -> None:
    def fail(handler: Handler, _: dict[str, Any]) -> bool:
        if kind == "500":
            return handler.refuse(500, "broken")
        if kind == "lost":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            handler.answer(200, b'{"choices": [{"mess' if kind == "garbage" else b"<html>busy</html>")
        return True

    with proxied(upstream, first(1, fail)) as proxy:
        found = behind(smollm2, proxy.address).generate(PROMPTS, DRAW, 0)
    assert [len(one.samples) for one in found] == [3, 3] and not any(one.error for one in found)
    assert len(proxy.bodies) == 3


def test_one_prompt_fails_alone(smollm2: GgufLLM, upstream: str) -> None:
    def refuse(handler: Handler, body: dict[str, Any]) -> bool:
        return "2 + 2" in json.dumps(body) and handler.refuse(500, "no arithmetic today")

    with proxied(upstream, refuse) as proxy:
        good, bad = behind(smollm2, proxy.address, retries=1).generate(PROMPTS, DRAW, 0)
    assert len(good.samples) == 3 and not good.error
    assert bad.samples == () and "no arithmetic today" in bad.error


def test_a_server_that_hangs(smollm2: GgufLLM, upstream: str) -> None:
    def hang(handler: Handler, _: dict[str, Any]) -> bool:
        time.sleep(1.5)
        return False

    with proxied(upstream, hang) as proxy:
        (found,) = behind(smollm2, proxy.address, timeout=0.4, retries=1).generate(PROMPTS[:1], DRAW, 0)
    assert "timed out" in found.error.lower()


def test_fewer_choices_than_asked(smollm2: GgufLLM, upstream: str) -> None:
    def only_one(handler: Handler, body: dict[str, Any]) -> bool:
        handler.answer(*handler.forward({**body, "n": 1}))
        return True

    with proxied(upstream, only_one) as proxy:
        (found,) = behind(smollm2, proxy.address).generate(PROMPTS[:1], DRAW, 0)
    assert len(found.samples) == 3
    assert len({body["seed"] for body in proxy.bodies}) == 3  # or they would all be the same


def test_a_server_without_n(smollm2: GgufLLM, upstream: str) -> None:
    def no_n(handler: Handler, body: dict[str, Any]) -> bool:
        return body["n"] > 1 and handler.refuse(400, "'n' must be 1")

    with proxied(upstream, no_n) as proxy:
        llm = behind(smollm2, proxy.address)
        (found,) = llm.generate(PROMPTS[:1], DRAW, 0)
        llm.generate(PROMPTS[1:], DRAW, 0)
    assert len(found.samples) == 3 and not found.error
    assert [body["n"] for body in proxy.bodies] == [3, 1, 1, 1, 1, 1, 1]  # asked for several once only


def test_a_server_that_knows_the_limit_by_another_name(smollm2: GgufLLM, upstream: str) -> None:
    def renamed(handler: Handler, body: dict[str, Any]) -> bool:
        message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return "max_tokens" in body and handler.refuse(400, message)

    with proxied(upstream, renamed) as proxy:
        (found,) = behind(smollm2, proxy.address).generate(PROMPTS[:1], DRAW, 0)
    assert proxy.bodies[-1]["max_completion_tokens"] == 8
    assert len(found.samples) == 3 and all((sample.tokens or 0) <= 8 for sample in found.samples)


def test_a_server_that_refuses_fields_of_open_models(smollm2: GgufLLM, upstream: str) -> None:
    def strict(handler: Handler, body: dict[str, Any]) -> bool:
        unknown = [name for name in ("top_k", "min_p") if name in body]
        return bool(unknown) and handler.refuse(400, f"Unrecognized request argument supplied: {unknown[0]}")

    with proxied(upstream, strict) as proxy:
        llm = behind(smollm2, proxy.address, concurrency=8)
        found = llm.generate([f"{number} and {number}?" for number in range(8)], DRAW, 0)
        assert [len(one.samples) for one in found] == [3] * 8
        assert "top_k" not in proxy.bodies[-1]
        for model in (llm, behind(smollm2, proxy.address)):  # one that knows it already, one that finds it out
            (refused,) = model.generate(PROMPTS[:1], Decoding("topk5", top_k=5, min_tokens=0), 0)
            assert "knows no top_k" in refused.error and not refused.samples


def test_empty_texts_are_samples_and_no_choices_an_error(smollm2: GgufLLM, upstream: str) -> None:
    def empty(handler: Handler, body: dict[str, Any]) -> bool:
        texts = [] if "2 + 2" in json.dumps(body) else [""] * body["n"]
        choices = [{"message": {"role": "assistant", "content": text}} for text in texts]
        handler.answer(200, json.dumps({"choices": choices}).encode())
        return True

    with proxied(upstream, empty) as proxy:
        blank, none = behind(smollm2, proxy.address).generate(PROMPTS, DRAW, 0)
    assert blank.texts == ["", "", ""] and not blank.error
    assert none.samples == () and "without choices" in none.error


def test_beams_need_a_server_that_searches(smollm2: GgufLLM, upstream: str) -> None:
    with proxied(upstream, healthy) as proxy:
        found = behind(smollm2, proxy.address).generate(PROMPTS[:1], Decoding("beam2", beams=2, max_tokens=4), 0)
        assert len(found[0].samples) == 1  # recognised as llama.cpp
    unreachable = OpenAILLM("smollm2", "http://127.0.0.1:9/v1", "none", retries=0)
    with pytest.raises(LanguageModelError, match="does not answer"):
        unreachable.generate(PROMPTS, Decoding("beam2", beams=2), 0)


def test_a_server_that_is_not_there() -> None:
    (found,) = OpenAILLM("x", "http://127.0.0.1:9/v1", "none", retries=0).generate(["hello"], DRAW, 0)
    assert "cannot be reached" in found.error


def test_a_prompt_that_is_too_long(smollm2: GgufLLM) -> None:
    long, short = smollm2.generate(["word " * 2000, PROMPTS[0]], DRAW, 0)
    assert "context" in long.error and len(short.samples) == 3


def test_files_that_are_no_models(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="no GGUF file"):
        GgufLLM(tmp_path / "none.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF not really")
    with pytest.raises(LanguageModelError, match="cannot be loaded"):
        GgufLLM(tmp_path / "bad.gguf")


def test_beams_pass_through_parts_of_characters(smollm2: GgufLLM) -> None:
    """The likeliest next token of this prompt is part of a character, of which the server reports no probabilities."""
    (found,) = smollm2.generate(["नमस्ते"], Decoding("beam2", beams=2, min_tokens=0, max_tokens=4), 0)
    assert not found.error and found.samples


def test_a_model_may_be_closed_at_once() -> None:
    """A server that is told to stop before it takes tasks waits for ever: this test would hang."""
    for _ in range(6):
        GgufLLM(fetch_model("smollm2"), context=128, parallel=1).close()


def test_a_closed_model_frees_its_server() -> None:
    model = GgufLLM(fetch_model("smollm2"), context=128, parallel=1)
    address = model.address.removesuffix("/v1").removeprefix("http://").split(":")
    socket.create_connection((address[0], int(address[1])), timeout=5).close()
    model.close()
    with pytest.raises(OSError):
        socket.create_connection((address[0], int(address[1])), timeout=5)


def test_several_servers_take_prompts_in_turn(smollm2: GgufLLM) -> None:
    several = GgufLLM(fetch_model("smollm2"), alias="smollm2", context=256, parallel=8, threads=2, servers=0)
    prompts = [*PROMPTS, "word " * 2000]
    try:
        assert several.prompts_together == 2 and len(several._servers) == 2
        for decoding in parse_plan("greedy,beam2", max_tokens=6):
            found, alone = several.generate(prompts, decoding, 0), smollm2.generate(PROMPTS, decoding, 0)
            assert [one.texts for one in found[:2]] == [one.texts for one in alone]
            assert "context" in found[2].error
    finally:
        several.close()
