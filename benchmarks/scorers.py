"""Compare the bundled scorers in one run: best of 17 answers, in every shipped runtime and precision.

    python benchmarks/scorers.py --groups 24 --rounds 2

Every system runs in its own process, so that peak memory is measured separately. The systems take turns, and the median
of `--rounds` counts. Texts are random words drawn from `--seed`: 17 answers of 20 to 60 tokens to instructions of 200
to 300.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from statistics import median

from against_cross_encoder import make_workload, processor, timed, vocabulary

SYSTEMS = tuple(
    (name, runtime, precision)
    for name in ("base", "mini")
    for runtime, precision in (("onnx", "int8"), ("onnx", "fp32"), ("openvino", "bf16"), ("torch", "bf16"))
)


def run_one(name: str, runtime: str, precision: str, groups: int, seed: int) -> dict[str, float]:
    """Time one scorer in this process."""
    import cappy
    from cappy.checkpoint.find import bundled_folder

    words = vocabulary(bundled_folder("cappy-mini"))
    workload, others = (make_workload("b", groups / 500, one, words) for one in (seed, seed + 1))
    scorer = cappy.load(name, runtime=runtime, precision=precision)
    list(scorer.score_groups(others[:2]))  # instructions seen before would be cached
    found = timed(lambda: list(scorer.score_groups(workload)))
    return {"groups_per_second": len(workload) / found["seconds"], **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(run_one(*chosen.one, chosen.groups, chosen.seed)))
        return
    found: dict[tuple[str, ...], list[dict[str, float]]] = {system: [] for system in SYSTEMS}
    for _ in range(chosen.rounds):
        for system in SYSTEMS:
            command = [sys.executable, __file__, "--groups", str(chosen.groups), "--seed", str(chosen.seed)]
            done = subprocess.run([*command, "--one", *system], capture_output=True, text=True, check=True)
            found[system].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"command: {' '.join(sys.argv)} ({os.cpu_count()} cores, {processor()})\n")
    print("| scorer | runtime | precision | groups a second | peak MiB |\n|---|---|---|---|---|")
    for system, runs in found.items():
        speed = median(run["groups_per_second"] for run in runs)
        print(f"| {' | '.join(system)} | {speed:.1f} | {max(run['peak_mib'] for run in runs):.0f} |")


if __name__ == "__main__":
    main()
