"""`/rank`, `/explain` and the pages over a real socket, against the library."""

from __future__ import annotations

import re

import httpx
import pytest

import cappy
from tests.server.conftest import Running

ASKED, TEXTS = "Which sea does the Danube flow into?", ["the Baltic Sea", "the Black Sea", "a lake in Austria"]


@pytest.fixture(scope="module")
def scorer() -> cappy.Scorer:
    return cappy.load("mini")


def test_rank_equals_the_library(server: str, scorer: cappy.Scorer) -> None:
    asked = ASKED * 200
    ranking = scorer.rank(asked, TEXTS)
    answer = httpx.post(server + "/rank", json={"instruction": asked, "candidates": TEXTS, "top_k": 2}).json()
    found = [(item["index"], item["text"], item["cut"]["instruction"]) for item in answer["items"]]
    assert found == [(item.index, item.text, item.cut.instruction) for item in ranking][:2]
    assert found[0][2] > 0
    assert [item["score"] for item in answer["items"]] == pytest.approx(ranking.scores[:2], abs=1e-4)
    assert answer["model"] == "cappy-mini" and answer["usage"]["prompt_tokens"] > 0


def test_explain_equals_the_library(server: str, scorer: cappy.Scorer) -> None:
    body = {"instruction": ASKED, "response": TEXTS[1], "limit": 3}
    answer = httpx.post(server + "/explain", json=body).json()
    explained = cappy.explain(scorer, ASKED, TEXTS[1], limit=3)
    assert answer["score"] == pytest.approx(explained.score, abs=1e-4)
    for side, spans in (("instruction", explained.instruction), ("response", explained.response)):
        assert len(answer[side]) == 3
        assert [(one["start"], one["end"], one["text"]) for one in answer[side]] == [
            (one.start, one.end, one.text) for one in spans
        ]
        assert [one["effect"] for one in answer[side]] == pytest.approx([one.effect for one in spans], abs=2e-4)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/rank", {"candidates": []}),
        ("/rank", {"top_k": 0}),
        ("/explain", {"limit": 0}),
        ("/explain", {"limit": 257}),
        ("/explain", {"response": ["a"]}),
    ],
)
def test_what_is_refused(server: str, path: str, change: dict[str, object]) -> None:
    body = {"instruction": "a", "candidates": ["b"], "response": "b"}
    assert httpx.post(server + path, json=body).status_code == 200
    refused = httpx.post(server + path, json={**body, **change})
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith(next(iter(change)))


def test_explaining_obeys_the_limits() -> None:
    running = Running("--candidates", "4")
    try:
        body = {"instruction": "one two", "response": "three four five"}
        assert httpx.post(running.address + "/explain", json=body).status_code == 413  # 1 + 3 + 2 texts
        assert httpx.post(running.address + "/explain", json={**body, "limit": 1}).status_code == 200
    finally:
        running.stop()


def test_explaining_long_texts_takes_no_more_memory_than_reading_them() -> None:
    running = Running("--body-bytes", "20000")
    try:
        body = {"instruction": "one two " * 1000, "response": "three"}
        refused = httpx.post(running.address + "/explain", json=body)
        assert refused.status_code == 413 and "too long" in refused.json()["error"]["message"]
        assert httpx.post(running.address + "/explain", json={**body, "limit": 1}).status_code == 200
        rated = {"input": ["word"] * 100, "choices": ["a", "b"], "instruction": "long " * 200 + "{text}"}
        assert httpx.post(running.address + "/classify", json=rated).status_code == 413
    finally:
        running.stop()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_nothing_from_elsewhere_and_no_key(path: str) -> None:
    running = Running("--api-key", "secret")
    try:
        page = httpx.get(running.address + path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page.text)
        assert httpx.head(running.address + path).content == b""
        assert httpx.post(running.address + path).status_code == 401
    finally:
        running.stop()


def test_the_api_page_shows_every_path_and_its_example(server: str) -> None:
    page = httpx.get(server + "/docs").text
    for path, methods in httpx.get(server + "/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}</code></h3>" in page
            assert method == "get" or f"curl localhost:8100{path} " in page
