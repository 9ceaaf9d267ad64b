"""Compare Cappy with sentence_transformers.CrossEncoder: same weights, texts and machine, in one run.

    python benchmarks/against_cross_encoder.py            # everything, about 20 minutes on 2 cores
    python benchmarks/against_cross_encoder.py --share 0.1

Every system runs in its own process, so that peak memory is measured separately. The systems take turns for `--rounds`
rounds, and the median counts. Texts are random words of the checkpoint's vocabulary, one token each, drawn from
`--seed`: lengths are exact, and meaning does not affect speed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

Workload = list[tuple[str, list[str]]]
SYSTEMS = {
    "CrossEncoder fp32": "torch",
    "CrossEncoder onnx": "onnx",
    "CrossEncoder openvino": "openvino",
    "joint fp32": "onnx",
    "joint int8": "onnx",
    "shared fp32": "onnx",
    "shared int8": "onnx",
    "shared bf16": "openvino",
}
"""Systems, each with its backend or runtime. Those with missing packages are skipped."""
WORKLOADS = {
    "a": "1,000 groups of 8 choices of 1 to 5 tokens behind instructions of 100 to 200 tokens",
    "b": "500 groups of 17 answers of 20 to 60 tokens behind instructions of 200 to 300 tokens",
    "c": "100 texts of 10 to 30 tokens, 77 choices of 1 to 5 tokens each",
    "mixed": "1,000 pairs of 5 to 60 tokens behind 5 to 400 tokens",
}


def make_workload(name: str, share: float, seed: int, words: list[str]) -> Workload:
    draw = random.Random(f"{name}:{seed}")

    def text(shortest: int, longest: int) -> str:
        return " ".join(draw.choices(words, k=draw.randint(shortest, longest)))

    def count(full: int) -> int:
        return max(2, round(full * share))

    if name == "a":
        return [(text(100, 200), [text(1, 5) for _ in range(8)]) for _ in range(count(1000))]
    if name == "b":
        return [(text(200, 300), [text(20, 60) for _ in range(17)]) for _ in range(count(500))]
    if name == "c":
        choices = [text(1, 5) for _ in range(77)]
        return [(text(10, 30), choices) for _ in range(count(100))]
    return [(text(5, 400), [text(5, 60)]) for _ in range(count(1000))]


def vocabulary(folder: Path) -> list[str]:
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(token for token in tokens if token.isascii() and token.isalpha() and len(token) > 2)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of `work`, and the peak memory of this process in MiB."""
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def run_one(system: str, name: str, share: float, seed: int, folder: Path) -> dict[str, float]:
    """Time one system on one workload in this process."""
    workload = make_workload(name, share, seed, vocabulary(folder))
    candidates = sum(len(responses) for _, responses in workload)
    if system.startswith("CrossEncoder"):
        from sentence_transformers import CrossEncoder

        options = {"dtype": "float32"} if SYSTEMS[system] == "torch" else {}
        encoder = CrossEncoder(str(folder), device="cpu", max_length=512, backend=SYSTEMS[system], model_kwargs=options)
        pairs = [(instruction, response) for instruction, responses in workload for response in responses]
        encoder.predict(pairs[:64], show_progress_bar=False)
        found = timed(lambda: encoder.predict(pairs, show_progress_bar=False))
    else:
        import cappy

        layout, precision = system.split()
        scorer = cappy.load(folder, layout=layout, precision=precision, runtime=SYSTEMS[system])
        # Other texts: instructions seen before would be cached, and the first repetition opens another graph.
        list(scorer.score_groups(make_workload(name, share, seed + 1, vocabulary(folder))[:8]))
        found = timed(lambda: list(scorer.score_groups(workload)))
    return {"candidates": candidates, "per_second": candidates / found["seconds"], **found}


def processor() -> str:
    """Name the processor and its fast byte and bfloat16 instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "processor unknown"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    fast = [flag for flag in ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if flag in facts.get("flags", "")]
    return f"{facts.get('model name', 'processor unknown')} ({', '.join(fast) or 'neither VNNI nor bfloat16'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the bundled scorer")
    parser.add_argument("--share", type=float, default=1.0, help="share of each workload to run")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    parser.add_argument("--one", nargs=2, metavar=("SYSTEM", "WORKLOAD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    from cappy.checkpoint.find import bundled_folder

    folder = options.model or bundled_folder("cappy-mini")
    if options.one:
        print(json.dumps(run_one(*options.one, options.share, options.seed, folder)))
        return
    print(f"command: {' '.join(sys.argv)}\nseed {options.seed}, share {options.share}")
    print(f"{os.cpu_count()} cores, {processor()}\n")
    everything = {}
    for name in options.workloads:
        figures: dict[str, list[dict[str, float]]] = {system: [] for system in options.systems}
        for _ in range(options.rounds):
            for system in list(figures):
                command = [sys.executable, *sys.argv, "--one", system, name]
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                if done.returncode == 0:
                    figures[system].append(json.loads(done.stdout.splitlines()[-1]))
                elif system == options.systems[0]:
                    sys.exit(done.stderr)
                else:
                    print(f"left out: {system} ({done.stderr.strip().splitlines()[-1]})")
                    del figures[system]
        print(f"({name}) {WORKLOADS[name]}\n\n| system | candidates/s | ratio | peak MiB |\n|---|---|---|---|")
        speeds = {system: median(run["per_second"] for run in runs) for system, runs in figures.items()}
        for system, runs in figures.items():
            ratio = speeds[system] / speeds[options.systems[0]]
            print(f"| {system} | {speeds[system]:.0f} | {ratio:.1f} | {max(run['peak_mib'] for run in runs):.0f} |")
        print(flush=True)
        everything[name] = figures
    if options.output:
        options.output.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
