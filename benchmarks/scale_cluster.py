"""Compare jobs on one machine and on local Ray clusters of several nodes: equal output, time, and peak memory.

python benchmarks/scale_cluster.py [--jobs score build sample] [--nodes 0 2 4] [--scale 1.0] [--rounds 1]
python benchmarks/scale_cluster.py --memory [--nodes 2] [--scale 0.2]

Nodes 0 is one machine without Ray. Every run has `--cores` cores in total: threads or processes on one machine,
single-core workers on a cluster. A cluster's time starts when the cluster is up and ends when the output is complete,
including the start of its workers. Inputs are random words, seed 0; --scale 1 gives jobs of over a minute on 2 cores.
--memory runs every job at --scale and at ten times that, and compares peaks: the driver, all nodes' processes and their
workers, as unique memory (USS), sampled five times per second, without the object store's fixed pool.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

ROWS = {"score": 15_000, "build": 600_000, "sample": 6_000}
"""Rows at --scale 1."""
POOL = 10**8
"""Bytes of a node's object store."""
WORDS = ["".join(random.Random(n).choices("etaoinshrdlu", k=2 + n % 8)) for n in range(5000)]


def write_rows(path: Path, count: int) -> None:
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            question = f"question {number}: {' '.join(draw.choices(WORDS, k=draw.randint(20, 80)))}?"
            answer = " ".join(draw.choices(WORDS, k=draw.randint(1, 30)))
            out.write(json.dumps({"instruction": question, "response": answer}) + "\n")


def prepare(job: str, home: Path, count: int) -> None:
    """Write a job's input into `home`."""
    from cappy.data.build import build
    from cappy.data.recipefile import read_recipe

    write_rows(home / "rows.jsonl", count)
    (home / "recipe.yaml").write_text("wrong: {hard: 1, near: 2, far: 2}\nsources: [{table: rows.jsonl}]\n")
    if job == "sample":
        build(read_recipe(str(home / "recipe.yaml")), home / "store")


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that takes 20 ms and answers with words of the prompt, chosen by the seed."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a request for samples."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        time.sleep(0.02)
        words = body["messages"][0]["content"].split()
        texts = [" ".join(words[(body["seed"] + place) % len(words) :]) for place in range(body["n"])]
        choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate(texts)]
        content = json.dumps({"choices": choices}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


def settle(within: float = 60.0) -> None:
    """Wait until the nodes' own processes have started, so that the cluster is up: they share this machine's cores."""
    deadline = time.monotonic() + within
    before = -1.0
    while time.monotonic() < deadline:
        used = sum(map(_seconds, psutil.Process().children(recursive=True)))
        if before >= 0 and used - before < 0.2:
            return
        before = used
        time.sleep(1)


def _seconds(process: psutil.Process) -> float:
    try:
        return float(process.cpu_times().user)
    except psutil.Error:
        return 0.0


@contextmanager
def cluster(nodes: int, cores: int) -> Iterator[None]:
    """Start a cluster of `nodes` nodes with `cores` cores in total, at least one each, and join it."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 0, "object_store_memory": POOL, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(nodes):
        made.add_node(num_cpus=max(1, cores // nodes), object_store_memory=POOL)
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    settle()
    try:
        yield
    finally:
        ray.shutdown()
        made.shutdown()


def score(home: Path, nodes: int, cores: int) -> Path:
    import cappy
    from cappy.scale.score_cluster import Workers, cluster_outcomes
    from cappy.scale.score_file import Columns, score_file

    scorer, source, target = cappy.load("mini", threads=cores), home / "rows.jsonl", home / f"scored{nodes}.jsonl"
    outcomes = cluster_outcomes(scorer, source, Columns(), Workers()) if nodes else None
    score_file(scorer, source, target, Columns(), print, lambda _: None, outcomes)
    return target


def build(home: Path, nodes: int, cores: int) -> Path:
    from cappy.data.build import build as build_here
    from cappy.data.recipefile import read_recipe
    from cappy.scale.build_cluster import build_on_cluster

    plan, target = read_recipe(str(home / "recipe.yaml")), home / f"built{nodes}"
    if nodes:
        build_on_cluster(plan, target)
    else:
        build_here(plan, target, cores)
    return target


def sample(home: Path, nodes: int, cores: int) -> Path:
    from cappy.data.sampling import sample_store
    from cappy.llm.decoding import parse_plan
    from cappy.llm.openai_llm import OpenAILLM
    from cappy.metrics.references import rouge_l
    from cappy.scale.sample_cluster import Samplers, sample_on_cluster

    plan, target, facts = parse_plan("sampling*4,temp0.9*4"), home / f"sampled{nodes}", {"llm": "echo"}
    with ExitStack() as stack:
        makers = (partial(OpenAILLM, "echo", stack.enter_context(endpoint())),)  # one machine can ask one only
        if nodes:
            sample_on_cluster(home / "store", target, Samplers(makers), plan, "rouge-l", facts)
        else:
            sample_store(home / "store", target, makers[0](), plan, rouge_l, facts)
    return target


JOBS = {"score": score, "build": build, "sample": sample}


class Peak(threading.Thread):
    """Tracks the memory of this process and its descendants."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Sample five times per second until stopped."""
        me = psutil.Process()
        while not self._over.wait(0.2):
            self.bytes = max(self.bytes, sum(map(_own, (me, *me.children(recursive=True)))))

    def stop(self) -> float:
        """Return the peak in MiB."""
        self._over.set()
        self.join()
        return self.bytes / 2**20


def _own(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0


def digest(target: Path) -> str:
    """Hash a file, or all files of a folder with their names."""
    files = [target] if target.is_file() else sorted(path for path in target.rglob("*") if path.is_file())
    found = hashlib.sha256()
    for path in files:
        found.update(path.relative_to(target).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def measure(job: str, home: Path, nodes: int, cores: int, watched: bool) -> None:
    """Run a job and print time and memory; run in its own process."""
    with cluster(nodes, cores) if nodes else ExitStack():
        peak = Peak()
        if watched:
            peak.start()
        begun = time.perf_counter()
        target = JOBS[job](home, nodes, cores)
        seconds = time.perf_counter() - begun
        mib = peak.stop() if watched else 0.0
    print(json.dumps({"seconds": seconds, "mib": mib, "hash": digest(target)}))


def measured(job: str, home: Path, nodes: int, cores: int, watched: bool = False) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", job, str(home), str(nodes), str(cores), str(int(watched))]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def compare_times(jobs: list[str], nodes: list[int], cores: int, scale: float, rounds: int) -> None:
    print("| job | rows | " + " | ".join(_named(one) for one in nodes) + " | equal |")
    print("|---|---|" + "---|" * (len(nodes) + 1))
    for job in jobs:
        best: dict[int, float] = {}
        hashes = set()
        count = int(ROWS[job] * scale)
        for _ in range(rounds):
            for one in nodes:
                with tempfile.TemporaryDirectory() as place:
                    prepare(job, Path(place), count)
                    found = measured(job, Path(place), one, cores)
                best[one] = min(best.get(one, float("inf")), found["seconds"])
                hashes.add(found["hash"])
        base = best[nodes[0]]
        cells = [f"{best[one]:.1f} s ({100 * (best[one] / base - 1):+.0f}%)" for one in nodes]
        print(f"| {job} | {count} | {' | '.join(cells)} | {'yes' if len(hashes) == 1 else 'NO'} |", flush=True)


def compare_memory(jobs: list[str], nodes: list[int], cores: int, scale: float) -> None:
    print("| job | where | rows | peak | ten times the rows | growth |\n|---|---|---|---|---|---|")
    for job in jobs:
        for one in nodes:
            peaks = []
            for times in (1, 10):
                with tempfile.TemporaryDirectory() as place:
                    prepare(job, Path(place), int(ROWS[job] * scale * times))
                    peaks.append(measured(job, Path(place), one, cores, watched=True)["mib"])
            growth = f"{100 * (peaks[1] / peaks[0] - 1):+.1f}%"
            row = (
                f"{job} | {_named(one)} | {int(ROWS[job] * scale)} | {peaks[0]:.0f} MiB | {peaks[1]:.0f} MiB | {growth}"
            )
            print(f"| {row} |", flush=True)


def _named(nodes: int) -> str:
    return f"{nodes} nodes" if nodes else "one machine"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--nodes", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        job, home, nodes, cores, watched = options.measure
        measure(job, Path(home), int(nodes), int(cores), watched == "1")
    elif options.memory:
        compare_memory(options.jobs, options.nodes, options.cores, options.scale)
    else:
        compare_times(options.jobs, options.nodes, options.cores, options.scale, options.rounds)


if __name__ == "__main__":
    main()
