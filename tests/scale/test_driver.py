"""The commands on a cluster whose driver is killed: run again, they go on, and end with the bytes of one machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scale.conftest import Nodes
from tests.scale.test_data_cluster import echo
from tests.server.stubs import answering

pytestmark = pytest.mark.slow


def cappy(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cappy.cli.app", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes], code: int = 0) -> None:
    said, _ = process.communicate(timeout=300)
    assert process.returncode == code, said.decode()


def killed_when(process: subprocess.Popen[bytes], begun: Callable[[], bool]) -> None:
    """Kill a command with SIGKILL as soon as it has done something, and not everything."""
    deadline = time.monotonic() + 120
    while not begun():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0].decode()
        time.sleep(0.02)
    process.kill()
    process.communicate()


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_scoring_goes_on(two_nodes: Nodes, tmp_path: Path) -> None:
    rows = [{"instruction": f"Which is more, {i} or {i * 7 % 900}?", "response": str(i)} for i in range(6000)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    score = ["score", str(tmp_path / "in.jsonl"), "-m", "mini", "-o"]
    finish(cappy(*score, str(tmp_path / "one.jsonl"), "--threads", "1"))
    on_ray = [*score, str(tmp_path / "ray.jsonl"), "--ray", two_nodes.address]
    killed_when(cappy(*on_ray), lambda: any(path.stat().st_size for path in tmp_path.glob(".ray.jsonl.*.progress")))
    assert not (tmp_path / "ray.jsonl").exists()
    finish(cappy(*on_ray))
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert not list(tmp_path.glob(".ray*"))


def test_building_and_sampling_go_on(two_nodes: Nodes, tmp_path: Path) -> None:
    rows = [{"instruction": f"write the number {i} down", "response": f"number {i}"} for i in range(30_000)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text("wrong: {near: 1, far: 1, hard: 1}\nsources: [{table: mine.jsonl}]")
    build = ["data", "build", str(tmp_path / "r.yaml"), "-o"]
    finish(cappy(*build, str(tmp_path / "one")))
    on_ray = [*build, str(tmp_path / "ray"), "--ray", two_nodes.address]
    killed_when(cappy(*on_ray), lambda: any((tmp_path / "ray").glob("shards/*.json")))
    assert not (tmp_path / "ray" / "manifest.json").exists()
    finish(cappy(*on_ray))
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")

    (tmp_path / "few.jsonl").write_text("\n".join(map(json.dumps, rows[:2000])))
    (tmp_path / "few.yaml").write_text("sources: [{table: few.jsonl}]")
    finish(cappy("data", "build", str(tmp_path / "few.yaml"), "-o", str(tmp_path / "store")))
    sample = ["data", "sample", str(tmp_path / "store"), "--llm", "echo", "--plan", "sampling*2", "-o"]
    with answering(echo([0])) as first, answering(echo([0])) as second:
        finish(cappy(*sample, str(tmp_path / "sampled"), "--base-url", first))
        on_ray = [*sample, str(tmp_path / "sampled-ray"), "--base-url", first, "--base-url", second]
        on_ray += ["--ray", two_nodes.address]
        killed_when(cappy(*on_ray), lambda: any((tmp_path / "sampled-ray").glob("shards/*.json")))
        finish(cappy(*on_ray))
    assert contents(tmp_path / "sampled-ray") == contents(tmp_path / "sampled")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"instruction": "a", "response": "b"}\n')
    process = cappy("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "--ray", "127.0.0.1:1")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 5 and b"ray start" in said and b"Traceback" not in said
    process = cappy("score", "-", "-o", "-", "--ray", "local")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2 and b"--ray needs an input file" in said
