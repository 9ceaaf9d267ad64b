"""Common parts of the experiments: a BIG-Bench task, and the result of every selector on a model's samples."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

import cappy
from cappy.evaluation.bigbench.run import Profile, TaskRun, open_samples, run_task
from cappy.evaluation.bigbench.table import NAMES, measured, summary, task_scores
from cappy.files.archives import cache_folder
from cappy.llm.decoding import parse_plan
from cappy.llm.model import LanguageModel


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of all experiments."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/experiments"), help="folder; resumed")
    parser.add_argument("--task", default="object_counting", help="a task fetched by `cappy data fetch bigbench`")
    parser.add_argument("--source", type=Path, default=cache_folder() / "bigbench", help="folder of the tasks")
    parser.add_argument("--llm", default="smollm2")
    parser.add_argument("--train", type=int, default=24, help="examples for adapting the scorer")
    parser.add_argument("--validation", type=int, default=20, help="examples for the measurement")
    parser.add_argument("--plan", default="beam4,sampling*8")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def profile(chosen: argparse.Namespace) -> Profile:
    """Return how much of the task is used and how it is sampled."""
    plan = parse_plan(chosen.plan, chosen.max_tokens)
    return Profile("experiment", chosen.train, chosen.validation, 1500, chosen.max_tokens, plan, fit_length=True)


def measure(title: str, llm: LanguageModel, chosen: argparse.Namespace, shots: int = 0) -> None:
    """Sample, adapt the scorer, and print the mean Rouge-L of every selector's choices."""
    begun = time.monotonic()
    output = chosen.output / title.replace(" ", "-")
    run = TaskRun(chosen.source, output, profile(chosen), chosen.seed, shots=shots, finetune=True)
    kept = open_samples(llm, output)
    try:
        scorer = cappy.load("mini")
        result = run_task(chosen.task, kept, scorer, run, lambda what: print(f"{title}: {what}", file=sys.stderr))
    finally:
        kept.close()
    found = summary([task_scores(result)], chosen.seed)
    print(f"\n{title}: {llm.name} on {chosen.task}, seed {chosen.seed}, {time.monotonic() - begun:.0f} s")
    print(f"command: {shlex.join(['python', *sys.argv])}")
    for name in measured(found):
        low, high = found["intervals"][name]
        print(f"  {NAMES[name]:34} {100 * found['means'][name]:5.1f}   ({100 * low:.1f} to {100 * high:.1f})")
