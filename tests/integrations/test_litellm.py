"""LiteLLM: its proxy in front of `cappy serve`, with the configuration that the documentation shows."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import cappy
from tests.integrations.conftest import ASKED, TEXTS
from tests.integrations.page import configuration
from tests.server.conftest import Running
from tests.server.stubs import answering, says

pytest.importorskip("litellm", reason="LiteLLM is not installed: make test-neighbours")
pytest.importorskip("litellm.proxy.proxy_server", reason="LiteLLM's proxy is not installed: make test-neighbours")
KEY = f"sk-{secrets.token_hex(32)}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that writes into `folder`/log, and end it."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=folder)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the proxy answers; if it ends before, show why."""
    import httpx

    patience = time.monotonic() + 180
    while True:
        assert process.poll() is None and time.monotonic() < patience, log.read_text()[-4000:]
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/health/liveliness", timeout=5).status_code == 200:
                return
        time.sleep(1)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A language model, `cappy serve` before it, and LiteLLM's proxy before that."""
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    script = Path(sys.executable).with_name("litellm")
    command = [str(script), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with answering(says(TEXTS)) as llm:
        server = Running("-m", "cappy-base=mini", "--llm", f"{llm}/v1", "-n", "3")
        try:
            written = configuration().replace("http://localhost:8100", server.address)
            (folder / "config.yaml").write_text(written)
            with running(command, folder, **settings) as process:
                address = f"http://127.0.0.1:{port}"
                wait_for(address, process, folder / "log")
                yield address
        finally:
            server.stop()


def test_rerank_through_the_proxy(proxy: str, ranking: cappy.Ranking) -> None:
    import httpx

    body = {"model": "cappy", "query": ASKED, "documents": TEXTS, "top_n": 2}
    answer = httpx.post(f"{proxy}/rerank", json=body, headers={"authorization": f"Bearer {KEY}"}, timeout=60)
    assert answer.status_code == 200, answer.text
    found = [(item["index"], item["relevance_score"]) for item in answer.json()["results"]]
    assert found == [(item.index, pytest.approx(item.score, abs=1e-4)) for item in ranking][:2]


def test_best_of_n_through_the_proxy(proxy: str) -> None:
    from openai import OpenAI

    client = OpenAI(base_url=f"{proxy}/v1", api_key=KEY)
    answer = client.chat.completions.create(model="best-of-n", messages=[{"role": "user", "content": ASKED}])
    assert answer.choices[0].message.content == "positive"
