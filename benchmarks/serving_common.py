"""Common parts of the serving benchmarks: seeded requests, a server process, clients that check every answer."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

Groups = list[tuple[str, list[str]]]
CANDIDATES = 16
PATIENCE = 180.0
"""Seconds after which an unanswered request counts as lost."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all serving benchmarks."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, help="Parquet or JSON lines of instruction and response; default: random words"
    )
    parser.add_argument("--groups", type=int, default=128, help="distinct requests, sent in turn")
    parser.add_argument("-o", "--output", type=Path, help="also write the figures as JSON")


def headline(options: argparse.Namespace) -> dict[str, Any]:
    """Print and return what the figures depend on."""
    command = shlex.join(["python", *sys.argv])
    print(f"command: {command}\nseed {options.seed}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at start\n")
    return {"command": command, "seed": options.seed, "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def make_groups(count: int, seed: int, data: Path | None = None, short: bool = False) -> Groups:
    """Draw instructions with 16 candidates, from a file's rows or as random words of the bundled vocabulary.

    With `short`, texts have few words, and there are two candidates.
    """
    draw = random.Random(seed)
    if data:
        from cappy.files.rows import read_rows

        rows = [(row["instruction"], row["response"]) for row in read_rows(data)]
        drawn = [draw.sample(rows, CANDIDATES) for _ in range(count)]
        return [(some[0][0], [response for _, response in some]) for some in drawn]
    from cappy.checkpoint.find import bundled_folder

    tokens = json.loads((bundled_folder("cappy-mini") / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted(token for token in tokens if token.isascii() and token.isalpha() and len(token) > 2)

    def text(shortest: int, longest: int) -> str:
        return " ".join(draw.choices(words, k=draw.randint(shortest, longest)))

    if short:
        return [(text(3, 10), [text(1, 4), text(1, 4)]) for _ in range(count)]
    return [(text(30, 200), [text(5, 60) for _ in range(CANDIDATES)]) for _ in range(count)]


def offline_scores(groups: Groups, **settings: Any) -> list[list[float]]:
    """Score the groups with `cappy.load("mini", **settings)`: the expected answers."""
    import cappy

    return [list(map(float, found.scores)) for found in cappy.load("mini", **settings).score_groups(groups)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class Server:
    """A server process on loopback that logs to a temporary file."""

    def __init__(self, command: Sequence[str], port: int, health: str, quiet: dict[str, str] | None = None) -> None:
        """Keep the start command; `health` returns 200 once it is up, `quiet` are environment variables."""
        self.command, self.address, self.health = list(command), f"http://127.0.0.1:{port}", health
        self.environment = {**os.environ, **(quiet or {})}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 120.0) -> None:
        """Start the server and wait until it is up."""
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, env=self.environment)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx.get(self.address + self.health, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.1)
        self.log.seek(0)
        raise SystemExit(f"{self.command[0]} did not start: {self.log.read()[-2000:].decode(errors='replace')}")

    def kill(self) -> None:
        """Kill the server, as in a crash."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def memory(self) -> float:
        """Return its resident memory in MiB (Linux)."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
        self.log.close()


def cappy_server(*options: str) -> Server:
    """Return `cappy serve` with the bundled scorer on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "cappy.cli.app", "serve", "-m", "cappy-mini", "--port", str(port), *options]
    return Server(command, port, "/ready")


@dataclass
class Tally:
    """The outcomes of requests. `seconds` are latencies from the first attempt to the answer."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    failed: int = 0
    busy: int = 0
    again: int = 0
    candidates: int = 0
    seconds: list[float] = field(default_factory=list)
    took: float = 0.0

    @property
    def bad(self) -> int:
        """The number of wrong, missing and 5xx answers."""
        return self.wrong + self.lost + self.failed

    def percentile(self, share: float) -> float:
        """Return a latency percentile in milliseconds."""
        ordered = sorted(self.seconds) or [0.0]
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def figures(self) -> dict[str, float]:
        """Return the figures to report."""
        return {
            "requests_per_second": self.right / self.took,
            "candidates_per_second": self.candidates / self.took,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
            "right": self.right,
            "wrong": self.wrong,
            "lost": self.lost,
            "failed": self.failed,
            "busy": self.busy,
            "again": self.again,
        }


def is_right(answer: Any, expected: Sequence[float], tolerance: float) -> bool:
    """Tell whether an answer has every candidate once, with its score, from best to worst."""
    try:
        found = [(int(item["index"]), float(item["relevance_score"])) for item in answer["results"]]
    except (KeyError, TypeError, ValueError):
        return False
    scores = [score for _, score in found]
    if sorted(index for index, _ in found) != list(range(len(expected))) or scores != sorted(scores, reverse=True):
        return False
    return all(abs(score - expected[index]) <= tolerance for index, score in found)


@dataclass
class Load:
    """Clients that each send one request after another and check every answer."""

    address: str
    groups: Groups
    expected: list[list[float]]
    path: str = "/v1/rerank"
    extra: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-4
    pause: float = 0.0
    """Seconds between an answer and the client's next request."""
    retry_busy: bool = False
    retry_broken: bool = False

    def run(self, clients: int, seconds: float) -> Tally:
        """Send for `seconds` with `clients` clients, at least one request each; then wait for pending ones."""
        return asyncio.run(self.arun(clients, seconds))

    async def arun(self, clients: int, seconds: float) -> Tally:
        """Do the same inside an event loop."""
        tally, begun = Tally(), time.monotonic()
        limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
        async with httpx.AsyncClient(base_url=self.address, limits=limits, timeout=PATIENCE) as client:

            async def one(number: int) -> None:
                while True:
                    await self._ask(client, number % len(self.groups), tally)
                    number += clients
                    if time.monotonic() - begun >= seconds:
                        return
                    await asyncio.sleep(self.pause)

            await asyncio.gather(*(one(number) for number in range(clients)))
        tally.took = time.monotonic() - begun
        return tally

    async def _ask(self, client: httpx.AsyncClient, number: int, tally: Tally) -> None:
        """Send one request until it is answered, or until this client gives up."""
        query, documents = self.groups[number]
        body = json.dumps({"model": "cappy-mini", "query": query, "documents": documents, **self.extra}).encode()
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            try:
                answer = await client.post(self.path, content=body, headers={"Content-Type": "application/json"})
            except httpx.TransportError:
                if not self.retry_broken:
                    break
                tally.again += 1
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 200:
                tally.seconds.append(time.monotonic() - begun)
                if is_right(answer.json(), self.expected[number], self.tolerance):
                    tally.right += 1
                    tally.candidates += len(documents)
                else:
                    tally.wrong += 1
                return
            pause = float(answer.headers.get("retry-after", "0.1"))
            if answer.status_code == 429:
                tally.busy += 1
                if not self.retry_busy:
                    return
            elif answer.status_code == 503 and self.retry_broken:
                tally.again += 1
            else:
                tally.failed += 1
                return
            await asyncio.sleep(pause)
        tally.lost += 1


def write(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write the figures to the requested file."""
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")
