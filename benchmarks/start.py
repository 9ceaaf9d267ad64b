"""Measure start-up time: `import cappy`, and `cappy rank` of three candidates from a cold start.

    python benchmarks/start.py

Prints the median and the worst of `--rounds` new processes. Targets: import under 0.3 s, rank under 2 s on 2 cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

RANK = [sys.executable, "-m", "cappy.cli.app", "rank", "What is the capital of France?", "Paris", "Rome", "Oslo"]
COMMANDS = {
    "import cappy": [sys.executable, "-c", "import cappy, sys; assert 'torch' not in sys.modules"],
    "cappy rank": RANK,
    "cappy rank -m mini": [*RANK, "-m", "mini"],
    "python alone": [sys.executable, "-c", "pass"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(f"command: {' '.join(sys.argv)}\n\n| | median s | worst s |\n|---|---|---|")
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(rounds):
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - begun)
        print(f"| {name} | {median(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main()
