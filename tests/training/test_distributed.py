"""Several processes on gloo: the same losses and weights as one, whatever is sharded, and resuming by any number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cappy
from cappy.layout.batches import Size
from cappy.training.shares import split_batch
from tests.conftest import build_checkpoint

SCRIPT = Path(__file__).with_name("distributed.py")
ROOT = Path(__file__).parents[2]


def command(processes: int, *program: str) -> list[str]:
    alone = [sys.executable]
    several = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*(alone if processes == 1 else several), *program]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, check=False, capture_output=True, text=True, env=environment(), timeout=400, cwd=ROOT
    )


def launch(plan: dict[str, Any], processes: int) -> dict[str, Any]:
    """Train by a plan in so many processes and return what came out."""
    folder = Path(plan["output"])
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    done = run(*command(processes, str(SCRIPT), str(folder / "plan.json")))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def plan(data: Path, encoder: Path, output: Path, steps: int = 50, **more: Any) -> dict[str, Any]:
    recipe = {"joint": 0.3, "pairwise": 0.3, "batch_tokens": 900, **more.pop("recipe", {})}
    computing = {"precision": "fp32", **more}
    return {
        "data": str(data),
        "encoder": str(encoder),
        "output": str(output),
        "steps": steps,
        "recipe": recipe,
        "computing": computing,
    }


def compare(one: dict[str, Any], other: dict[str, Any]) -> None:
    np.testing.assert_allclose(other["losses"], one["losses"], atol=1e-4)
    assert other["tokens"] == one["tokens"]
    for name, value in one["sums"].items():
        if name.endswith(("key.bias", "k.bias")):
            continue  # its gradient is 0 but for rounding, since softmax forgets it, and Adam makes steps of that
        assert other["sums"][name] == pytest.approx(value, rel=1e-3), name


def test_two_processes_lose_what_one_does(data: Path, bert: Path, tmp_path: Path) -> None:
    one = launch(plan(data, bert, tmp_path / "one"), 1)
    assert one["losses"][-1] < 0.7 * one["losses"][0]
    two = launch(plan(data, bert, tmp_path / "fsdp", parallel="fsdp", micro_tokens=200), 2)
    compare(one, two)
    assert two["wrote"] == [1, 0]  # both map the token files of the first


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("processes", [2, 4])
def test_any_number_of_processes_loses_the_same(
    data: Path, mpnet: Path, tmp_path: Path, parallel: str, processes: int
) -> None:
    one = launch(plan(data, mpnet, tmp_path / "one"), 1)
    parts = {"parallel": parallel, "micro_tokens": 150, "recompute": processes == 4}
    compare(one, launch(plan(data, mpnet, tmp_path / "many", **parts), processes))


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(data: Path, bert: Path, tmp_path: Path) -> None:
    one = launch(plan(data, bert, tmp_path / "one", 30), 1)
    losses: list[float] = []
    for steps, processes, parallel in ((8, 2, "fsdp"), (16, 4, "ddp"), (24, 1, "ddp"), (30, 4, "fsdp")):
        # The rate follows the budget, so every leg is given the whole one's.
        made = launch({**plan(data, bert, tmp_path / "many", 30, parallel=parallel), "until": steps}, processes)
        losses += made["losses"]
    compare(one, {**made, "losses": losses})


@pytest.mark.slow
def test_stopped_and_killed_processes_lose_nothing_that_was_saved(data: Path, bert: Path, tmp_path: Path) -> None:
    one = launch(plan(data, bert, tmp_path / "one", 40), 1)
    made = {**plan(data, bert, tmp_path / "many", 40, parallel="fsdp"), "slow": 0.2}
    folder = Path(made["output"])
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps(made))
    whole = command(2, str(SCRIPT), str(folder / "plan.json"))
    log = (folder / "log").open("w")
    process = subprocess.Popen(whole, env=environment(), cwd=ROOT, stdout=log, stderr=log)
    wait_for(lambda: step_of(folder) >= 3)
    process.send_signal(signal.SIGTERM)  # as a scheduler stops a job: torchrun hands it on
    assert process.wait(60) != 0
    stopped = step_of(folder)
    assert 3 <= stopped < 40
    # A worker is killed in mid-step; torchrun starts all of them again, and they go on from the last state.
    restarting = [*whole[:4], "--max-restarts=1", *whole[4:]]
    process = subprocess.Popen(restarting, env=environment(), cwd=ROOT, stdout=log, stderr=log)
    wait_for(lambda: step_of(folder) > stopped)
    os.kill(int((folder / "pid.1").read_text()), signal.SIGKILL)
    assert process.wait(120) == 0, (folder / "log").read_text()
    found = json.loads((folder / "result.json").read_text())
    for name, value in one["sums"].items():
        assert name.endswith("key.bias") or found["sums"][name] == pytest.approx(value, rel=1e-3)
    assert found["tokens"] == one["tokens"]


def step_of(folder: Path) -> int:
    path = folder / "state" / "progress.json"
    try:
        return int(json.loads(path.read_text())["progress"]["step"])
    except (OSError, ValueError):  # while one state takes the place of another
        return -1


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_the_command_trains_under_launchers(tmp_path: Path, launcher: str) -> None:
    encoder = build_checkpoint(tmp_path / "encoder", "roberta", positions=258)
    groups = [
        {
            "instruction": f"the colour of {i} is {'red' if i % 2 else 'blue'} . what is it ?",
            "candidates": [{"text": c, "label": float((c == "red") == bool(i % 2))} for c in ("red", "blue")],
            "task": "colours",
        }
        for i in range(200)
    ]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, groups)))
    train = ["-m", "cappy.cli.app", "train", "--groups", str(tmp_path / "groups.jsonl"), "--encoder", str(encoder)]
    train += ["--recipe", "large-shared", "--steps", "3", "-o", str(tmp_path / "run"), "--precision", "fp32"]
    if launcher == "torchrun":
        done = run(*command(2, *train))
    else:
        options = ["--use_fsdp", "--fsdp_version", "2", "--num_processes", "2", "--num_machines", "1"]
        done = run(sys.executable, "-m", "accelerate.commands.launch", *options, *train)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["processes"] == 2 and facts["progress"]["step"] == 3
    assert facts["parallel"] == ("ddp" if launcher == "torchrun" else "fsdp")  # as accelerate was told
    scorer = cappy.load(tmp_path / "run" / "checkpoint")
    assert np.isfinite(scorer.score("what is it ?", "red"))
    assert "1024 pairs" in (tmp_path / "run" / "checkpoint" / "README.md").read_text()


def test_shares_hold_everything_once_and_are_alike_in_tokens() -> None:
    draw = np.random.default_rng(0)
    sizes = [Size(int(p), 4, int(c), int(4 * c)) for p, c in zip(*draw.integers(20, 200, (2, 500)), strict=True)]
    for ranks, most in ((1, None), (4, None), (4, 2000), (8, 1500)):
        shares = split_batch(sizes, ranks, most)
        assert sorted(i for share in shares for part in share for i in part) == list(range(len(sizes)))
        assert len({len(share) for share in shares}) == 1
        tokens = [sum(sizes[i].tokens for part in share for i in part) for share in shares]
        assert max(tokens) < 1.05 * np.mean(tokens)
        parts = [sum(sizes[i].tokens for i in part) for share in shares for part in share]
        assert most is None or max(parts) < most + max(size.tokens for size in sizes)
    few = split_batch(sizes[:2], 4)
    assert sorted(len(part) for share in few for part in share) == [0, 0, 1, 1]
