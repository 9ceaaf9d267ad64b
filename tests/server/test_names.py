"""Which names a server answers to, signals before it is up, and refusals a person can read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import cappy
from cappy.server.own_schemas import ASKED
from tests.server.conftest import Running


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example", 403), ("", 403)]
)
def test_a_server_on_loopback_answers_to_its_own_names(server: str, host: str, status: int) -> None:
    body = {"text_1": "a", "text_2": ["b"]}
    assert httpx.post(server + "/score", json=body, headers={"Host": host}).status_code == status
    assert httpx.get(server + "/health", headers={"Host": host}).status_code == 200  # what load balancers ask


def test_further_names_and_keys_open_it() -> None:
    for options in (("--allowed-host", "cappy.lan"), ("--api-key", "k")):
        running = Running(*options)
        try:
            headers = {"Host": "cappy.lan:8100", "X-API-Key": "k"}
            answer = httpx.post(running.address + "/score", json={"text_1": "a", "text_2": ["b"]}, headers=headers)
            assert answer.status_code == 200
        finally:
            running.stop()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
def test_a_hang_up_before_it_is_up_does_not_end_it() -> None:
    command = [sys.executable, "-m", "cappy.cli.app", "serve", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        status = Path(f"/proc/{process.pid}/status")
        for _ in range(200):  # from when it ignores the signal on
            ignored = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn:"))
            if int(ignored.split()[1], 16) & 1:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGHUP)
        assert json.loads(process.stderr.readline())["event"] == "listening"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/score", {"text_1": "a", "text_2": []}, "text_2: List should have at least 1 item"),
        ("/v2/rerank", {"query": "a", "documents": [3]}, "documents.0"),
        ("/predict", {"inputs": []}, "inputs: "),
    ],
)
def test_what_is_wrong_is_said_in_the_requests_own_words(
    server: str, path: str, body: dict[str, object], said: str
) -> None:
    answer = httpx.post(server + path, json=body)
    assert answer.status_code == 422 and said in answer.text
    assert "function-" not in answer.text and "[" not in answer.json().get("message", "")


def test_the_documented_example_is_ranked_as_it_suggests() -> None:
    assert cappy.load("mini").rank(ASKED, ["positive", "negative"]).best.text == "negative"
    shown = "The soup was cold and nobody apologised. Is this review positive or negative?"
    assert cappy.load("mini").rank(shown, ["positive", "negative"]).best.text == "negative"
