"""What the cache of instructions saves, and what its first use costs: one scorer and runtime after the other.

    python benchmarks/instruction_cache.py

Instructions of 250 random words, four answers of 1 to 40 words, drawn from `--seed`; every figure is of one process.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from against_cross_encoder import processor, vocabulary

import cappy
from cappy.checkpoint.find import bundled_folder

SYSTEMS = [(model, *how) for model in ("base", "mini") for how in (("onnx", "int8"), ("openvino", "bf16"))]


def resident() -> int:
    """Return this process's memory in MiB."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024


def run_one(model: str, runtime: str, precision: str, seed: int) -> dict[str, float]:
    draw, words = random.Random(seed), vocabulary(bundled_folder("cappy-mini"))

    def text(length: int) -> str:
        return " ".join(draw.choices(words, k=length))

    def seconds(scorer: cappy.Scorer, instruction: str) -> float:
        answers = [text(draw.randint(1, 40)) for _ in range(4)]
        begun = time.perf_counter()
        scorer.score(instruction, answers)
        return time.perf_counter() - begun

    scorer, plain = (cappy.load(model, runtime=runtime, precision=precision, cache_mib=mib) for mib in (128, 0))
    instructions = [text(250) for _ in range(4)]
    seconds(scorer, instructions[0])
    before = resident()
    second = seconds(scorer, instructions[0])
    opened = resident() - before
    for instruction in instructions * 2:
        seconds(scorer, instruction), seconds(plain, instruction)
    with_cache, without = (sum(seconds(one, i) for i in instructions * 3) for one in (scorer, plain))
    return {"share": with_cache / without, "second": second, "opened": opened}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(*options.one, options.seed)))
        return
    print(f"command: {' '.join(sys.argv)} ({processor()})\n")
    print("| scorer, runtime | time with over without | first repetition | memory it adds |\n|---|---|---|---|")
    for system in SYSTEMS:
        command = [sys.executable, __file__, "--seed", str(options.seed), "--one", *system]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {', '.join(system)} | {found['share']:.2f} | {found['second']:.1f} s | {found['opened']} MiB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
