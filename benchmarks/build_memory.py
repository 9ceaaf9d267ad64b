"""Measure the peak memory of a build at two sizes: it must not grow with the number of groups.

python benchmarks/build_memory.py [--groups 50000 500000] [--workers 1]

Each size is built in its own process from random questions and answers (seed 0).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cappy.data.build import build
from cappy.data.recipefile import read_recipe


def write_rows(path: Path, count: int, seed: int = 0) -> None:
    draw = random.Random(seed)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(5000)]
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            question = f"question {number}: {' '.join(draw.choices(words, k=draw.randint(20, 80)))}?"
            answer = " ".join(draw.choices(words, k=draw.randint(1, 30)))
            out.write(json.dumps({"instruction": question, "response": answer}) + "\n")


def measure(recipe: str, folder: str, workers: int) -> None:
    """Build and print time and memory; run in its own process."""
    begun = time.perf_counter()
    manifest = build(read_recipe(recipe), Path(folder), workers)
    seconds = time.perf_counter() - begun
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"groups": manifest["groups"], "seconds": seconds, "mib": max(own, children) / 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure, options.workers)
        return
    for count in options.groups:
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            write_rows(home / "rows.jsonl", count)
            (home / "recipe.yaml").write_text("wrong: {hard: 1, near: 2, far: 2}\nsources: [{table: rows.jsonl}]\n")
            command = [sys.executable, __file__, "--workers", str(options.workers)]
            command += ["--measure", str(home / "recipe.yaml"), str(home / "store")]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rate = found["groups"] / found["seconds"]
            print(f"{found['groups']:>9} groups  {found['mib']:6.0f} MiB at most  {rate:6.0f} groups/s")


if __name__ == "__main__":
    main()
