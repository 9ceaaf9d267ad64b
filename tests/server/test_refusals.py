"""What is refused, with which status, and that nothing anybody sends makes the server fail."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import Running

JSON = {"content-type": "application/json"}
PATHS = ["/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank", "/predict", "/classify"]
FIELDS = ["model", "text_1", "text_2", "query", "texts", "documents", "top_n", "inputs", "input", "choices", "truncate"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe{}", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"text_1": "a", "text_2": []}', 422),
        (b'{"text_1": "a", "text_2": "\\ud800"}', 200),
        (b'{"text_1": "a\\u0000b", "text_2": "\\u0000"}', 200),
        (b'{"text_1": "", "text_2": ""}', 200),
        (json.dumps({"text_1": "a", "text_2": ["b"] * 5000}).encode(), 413),
        (b" " * (9 * 2**20), 413),
    ],
)
def test_status(server: str, body: bytes, status: int) -> None:
    assert httpx.post(server + "/score", content=body, headers=JSON).status_code == status


def test_halves_of_surrogate_pairs_come_back_replaced(server: str) -> None:
    body = b'{"query": "a", "texts": ["b\\ud800"], "return_text": true, "truncate": true}'
    assert httpx.post(server + "/rerank", content=body, headers=JSON).json()[0]["text"] == "b\ufffd"
    body = b'{"input": "a", "choices": ["b\\ud800", "c\\ud800"]}'
    assert httpx.post(server + "/classify", content=body, headers=JSON).json()["data"][0]["label"][1] == "\ufffd"


def test_each_dialect_has_its_own_error(server: str) -> None:
    found = {path: httpx.post(server + path, content=b"{", headers=JSON).json() for path in PATHS}
    assert found["/rerank"] == {"error": "the body is not valid JSON.", "error_type": "Validation"}
    assert found["/v2/rerank"]["message"] == found["/v1/rerank"]["detail"] == "the body is not valid JSON."
    assert found["/score"]["error"] == {
        "message": "the body is not valid JSON.",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
    assert httpx.get(server + "/nowhere").status_code == 404
    assert httpx.get(server + "/score").status_code == 405


text = st.text(max_size=8) | st.sampled_from(["\ud800", "\x00", "{text}", "[SEP]"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | text
values = st.recursive(leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(text, x, max_size=2), max_leaves=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=values | st.dictionaries(st.sampled_from(FIELDS), values, max_size=6))
def test_no_body_makes_it_fail(server: str, path: str, body: object) -> None:
    answer = httpx.post(server + path, content=json.dumps(body).encode(), headers=JSON, timeout=60)
    assert answer.status_code < 500, answer.text
    assert isinstance(answer.json(), dict | list)


def test_keys_limits_and_a_quiet_log() -> None:
    running = Running("--api-key", "secret-1", "--api-key", "secret-2", "--queue-tokens", "200")
    body = {"text_1": "confidential", "text_2": ["yes"]}
    try:
        assert httpx.post(running.address + "/score", json=body).status_code == 401
        for headers in ({"Authorization": "Bearer secret-2"}, {"x-api-key": "secret-1"}):
            assert httpx.post(running.address + "/score", json=body, headers=headers).status_code == 200
        large = {"text_1": "a", "text_2": ["one two three"] * 100}
        assert httpx.post(running.address + "/score", json=large, headers=headers).status_code == 413
        assert httpx.get(running.address + "/ready").status_code == 200
        assert "access-control-allow-origin" not in httpx.get(running.address + "/health").headers
        counted = httpx.get(running.address + "/metrics", headers=headers).text
        assert 'cappy_http_requests_total{path="/score",status="200"} 2.0' in counted
        assert "cappy_queue_tokens 0.0" in counted
    finally:
        written = running.stop()
    assert '"status": 401' in written
    assert "confidential" not in written
    assert "secret" not in written
