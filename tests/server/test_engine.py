"""Requests that are scored together get what they would get alone; none is lost, whatever happens around it."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cappy
from cappy.server.engine import Engine
from cappy.server.errors import RequestError
from cappy.server.metrics import Metrics
from cappy.server.queue import SMALL_TOKENS
from cappy.server.scorers import Scorers
from cappy.server.settings import Settings
from tests.conftest import WORDS, build_checkpoint
from tests.server.conftest import Running

texts = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
requests = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=12)), min_size=1, max_size=4)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def scorer(request: pytest.FixtureRequest, shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert, precision=request.param, threads=1)


@settings(max_examples=15, deadline=None)
@given(mixed=st.lists(requests, min_size=2, max_size=8))
def test_concurrent_requests_equal_offline_scores(scorer: cappy.Scorer, mixed: list) -> None:
    engine = Engine(Scorers({"tiny": lambda: scorer}), Settings(), Metrics())

    async def together() -> list:
        return await asyncio.gather(*(engine.score(None, groups) for groups in mixed))

    try:
        answers = asyncio.run(together())
    finally:
        engine.stop()
    near = 1e-4 if scorer.settings()["precision"] == "int8" else 1e-5
    for groups, answer in zip(mixed, answers, strict=True):
        for (instruction, responses), found in zip(groups, answer.groups, strict=True):
            assert np.allclose(found.scores, scorer.score(instruction, responses), atol=near)


class Gated:
    """The scorer, held until it is let go, so that a test decides what waits."""

    def __init__(self, scorer: cappy.Scorer) -> None:
        self._scorer, self.go = scorer, threading.Event()
        self.temperature, self.selection = scorer.temperature, scorer.selection

    def encode(self, groups):
        return self._scorer.encode(groups)

    def score_encoded(self, groups):
        assert self.go.wait(20)
        return self._scorer.score_encoded(groups)


def test_admission_is_all_or_nothing_and_leaving_frees_the_place(scorer: cappy.Scorer) -> None:
    gated = Gated(scorer)
    tokens = scorer.encode([("the city", ["yes", "no"])])[0].tokens
    engine = Engine(Scorers({"tiny": lambda: gated}), Settings(queue_tokens=2 * tokens), Metrics())
    groups = [("the city", ["yes", "no"])]

    async def scenario() -> None:
        waiting = [asyncio.ensure_future(engine.score(None, groups)) for _ in range(2)]
        await asyncio.sleep(0.3)
        with pytest.raises(RequestError) as full:
            await engine.score(None, groups)
        assert full.value.status == 429
        assert full.value.retry_after >= 1
        with pytest.raises(RequestError) as never:
            await engine.score(None, groups * 3)
        assert never.value.status in (413, 429)
        waiting[1].cancel()
        await asyncio.sleep(0.1)
        third = asyncio.ensure_future(engine.score(None, groups))
        await asyncio.sleep(0.1)
        # A swap in the meantime changes nothing for those inside.
        engine.scorers.swap("tiny", scorer)
        gated.go.set()
        for answer in await asyncio.gather(waiting[0], third):
            assert np.allclose(answer.groups[0].scores, scorer.score("the city", ["yes", "no"]), atol=1e-4)
        await engine.drain(1)
        with pytest.raises(RequestError) as stopping:
            await engine.score(None, groups)
        assert stopping.value.status == 503

    try:
        asyncio.run(scenario())
    finally:
        gated.go.set()
        engine.stop()


def test_a_small_request_does_not_wait_for_long_ones(scorer: cappy.Scorer) -> None:
    gated = Gated(scorer)
    straight = scorer.score_encoded
    gated.score_encoded = lambda groups: (  # type: ignore[method-assign]
        straight(groups) if sum(one.tokens for one in groups) <= SMALL_TOKENS else Gated.score_encoded(gated, groups)
    )
    engine = Engine(Scorers({"tiny": lambda: gated}), Settings(), Metrics())

    async def scenario() -> None:
        long = [asyncio.ensure_future(engine.score(None, [("the city", ["yes no " * 90] * 8)])) for _ in range(3)]
        await asyncio.sleep(0.2)
        small = await asyncio.wait_for(engine.score(None, [("the city", ["yes", "no"])]), 5)
        assert np.allclose(small.groups[0].scores, scorer.score("the city", ["yes", "no"]), atol=1e-4)
        assert not any(one.done() for one in long)
        gated.go.set()
        expected = scorer.score("the city", ["yes no " * 90] * 8)
        for answer in await asyncio.gather(*long):
            assert np.allclose(answer.groups[0].scores, expected, atol=1e-4)

    try:
        asyncio.run(scenario())
    finally:
        gated.go.set()
        engine.stop()


def test_what_is_not_done_by_the_deadline_gets_503(scorer: cappy.Scorer) -> None:
    gated = Gated(scorer)
    engine = Engine(Scorers({"tiny": lambda: gated}), Settings(), Metrics())

    async def scenario() -> None:
        waiting = asyncio.ensure_future(engine.score(None, [("the city", ["yes"])]))
        await asyncio.sleep(0.1)
        await engine.drain(0.1)
        with pytest.raises(RequestError) as stopping:
            await waiting
        assert stopping.value.status == 503

    try:
        asyncio.run(scenario())
    finally:
        gated.go.set()
        engine.stop()


def test_a_client_that_leaves_frees_its_place(server: str) -> None:
    body = b'{"text_1": "a b c", "text_2": [' + b",".join([b'"one two three four five six seven"'] * 4000) + b"]}"
    head = "POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    host, port = server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.3)
    for _ in range(50):
        if "cappy_cancelled_requests_total 1.0" in httpx.get(server + "/metrics").text:
            break
        time.sleep(0.1)
    counted = httpx.get(server + "/metrics").text
    assert "cappy_cancelled_requests_total 1.0" in counted
    assert "cappy_queue_tokens 0.0" in counted


def test_sigterm_finishes_what_was_admitted() -> None:
    running = Running()
    body = {"text_1": "a b c", "text_2": ["one two three four five six seven eight nine ten"] * 2000}
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=running.address) as client:
        assert client.get("/ready").status_code == 200
        inside = pool.submit(httpx.post, running.address + "/score", json=body, timeout=60)
        for _ in range(200):
            if "cappy_queue_requests 1.0" in client.get("/metrics").text:
                break
            time.sleep(0.01)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        refused = client.post("/score", json={"text_1": "a", "text_2": "b"})
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        assert client.get("/ready").status_code == 503
        answer = inside.result()
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 2000
    assert running.process.wait(20) == 0
    assert "Traceback" not in running.stop()


def test_sighup_swaps_in_a_new_checkpoint(tmp_path: Path) -> None:
    folder = build_checkpoint(tmp_path / "one", "bert", layout="shared", seed=1)
    running = Running("-m", f"tiny={folder}", "-m", "cappy-mini", "--precision", "fp32")
    ask = {"model": "tiny", "text_1": "is the sky green", "text_2": "no"}
    try:
        before = httpx.post(running.address + "/score", json=ask).json()["data"][0]["score"]
        assert httpx.post(running.address + "/score", json={**ask, "model": "other"}).status_code == 404
        build_checkpoint(folder, "bert", layout="shared", seed=2)
        running.process.send_signal(signal.SIGHUP)
        expected = cappy.load(folder, precision="fp32").score("is the sky green", "no")
        assert abs(expected - before) > 1e-3
        for _ in range(100):
            after = httpx.post(running.address + "/score", json=ask).json()["data"][0]["score"]
            if abs(after - expected) < 1e-5:
                break
            time.sleep(0.1)
        assert after == pytest.approx(expected, abs=1e-5)
    finally:
        running.stop()


def test_repeated_instructions_are_encoded_once_and_counted(server: str) -> None:
    """A long instruction that three requests share: kept at the second, found at the third."""
    asked = {"text_1": " ".join(WORDS[:40]), "text_2": ["paris", "london"]}
    with httpx.Client(base_url=server, timeout=30) as client:
        scores = [client.post("/v1/score", json=asked).json()["data"] for _ in range(3)]
        counted = client.get("/metrics").text
    assert scores[0] == scores[1] == scores[2]
    figures = dict(line.split() for line in counted.splitlines() if line.startswith("cappy_cache"))
    assert float(figures["cappy_cache_hits"]) >= 1
    assert float(figures["cappy_cache_misses"]) >= 1
    assert float(figures["cappy_cache_bytes"]) > 0
