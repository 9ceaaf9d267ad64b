"""`cappy serve --ray`: several replicas answer as one server, while one is killed and while a checkpoint changes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import cappy
from tests.conftest import build_checkpoint
from tests.scale.conftest import Nodes

pytestmark = pytest.mark.slow


@pytest.fixture
def served(two_nodes: Nodes, shared_bert: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    shutil.copytree(shared_bert, tmp_path / "model")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cappy.cli.app", "serve", "-m", str(tmp_path / "model"), "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--ray", two_nodes.address, "--replicas", "2"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not ready(url):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0


def ready(url: str) -> bool:
    try:
        return b"ready" in urllib.request.urlopen(f"{url}/ready", timeout=5).read()
    except (urllib.error.URLError, OSError):
        return False


def ask(url: str, number: int) -> float:
    body = json.dumps({"query": f"what is {number} ?", "documents": ["yes"]}).encode()
    request = urllib.request.Request(f"{url}/v1/rerank", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return float(json.load(answer)["results"][0]["relevance_score"])


def counted(url: str) -> float:
    lines = urllib.request.urlopen(f"{url}/metrics", timeout=30).read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("cappy_candidates_total"))


def replica_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ServeReplica:cappy" in part for part in process.info["cmdline"] or ()):
            found.append(process)
    return found


def test_replicas_answer_as_one_server(served: tuple[str, Any], tmp_path: Path, shared_bert: Path) -> None:
    url, process = served
    before = cappy.load(shared_bert)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ask(url, number), range(60)))
    assert found == pytest.approx([before.score(f"what is {n} ?", "yes") for n in range(60)], abs=1e-4)
    time.sleep(2.5)
    assert counted(url) == 60  # whichever replica is asked
    # Another checkpoint, while requests go on: each is answered by the old one or the new one, and none fails.
    shutil.rmtree(tmp_path / "model")
    build_checkpoint(tmp_path / "model", "bert", layout="shared", seed=3)
    after = cappy.load(tmp_path / "model")
    wanted = after.score("what is 1 ?", "yes")
    process.send_signal(signal.SIGHUP)
    old, deadline, in_row = before.score("what is 1 ?", "yes"), time.monotonic() + 120, 0
    while in_row < 30:
        score = ask(url, 1)
        assert score == pytest.approx(wanted, abs=1e-4) or score == pytest.approx(old, abs=1e-4)
        in_row = in_row + 1 if score == pytest.approx(wanted, abs=1e-4) else 0
        assert time.monotonic() < deadline
    # A replica that is killed is replaced.
    replica_processes()[0].kill()
    deadline, in_row = time.monotonic() + 120, 0
    while in_row < 30:
        try:
            in_row = in_row + 1 if ask(url, 1) == pytest.approx(wanted, abs=1e-4) else 0
        except urllib.error.HTTPError:
            in_row = 0
        assert time.monotonic() < deadline
