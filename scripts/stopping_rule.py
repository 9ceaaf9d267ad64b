"""Fit the stopping rule of adaptive sampling on the training parts of BIG-Bench tasks.

python scripts/stopping_rule.py RUN [--source FOLDER] [--llm NAME] [--profile quick] [-m base] [--seed 0]

RUN is the output folder of `cappy eval bigbench -o RUN`, whose samples are used; nothing is sampled here. Each task is
measured with a rule fitted on the others; the printed rule is fitted on all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import cappy
from cappy.data.bigbench import available_tasks, read_task
from cappy.evaluation.bigbench.boosting import Judged, judge
from cappy.evaluation.bigbench.run import PROFILES, TaskRun, choose_examples, sample_order
from cappy.evaluation.bigbench.table import fit_rule, simulate
from cappy.files.archives import cache_folder
from cappy.llm.cache import KeptSamples
from cappy.llm.decoding import Decoding
from cappy.llm.model import Samples
from cappy.selection.selectors import scored
from cappy.selection.stopping import StoppingRule


class Absent:
    """A model that cannot sample: only cached samples are used."""

    def __init__(self, name: str) -> None:
        self.name = name

    def generate(self, prompts: Sequence[str], decoding: Decoding, seed: int) -> list[Samples]:
        """Return no samples."""
        return [Samples((), "not sampled") for _ in prompts]


def judged_tasks(options: argparse.Namespace) -> dict[str, list[Judged]]:
    """Judge the training examples whose whole plan was sampled, excluding beam search."""
    (file,) = (options.run / "samples").glob("*.jsonl")
    kept = KeptSamples(Absent(options.llm), file)
    run = TaskRun(options.source, options.run, PROFILES[options.profile], options.seed)
    scorer = cappy.load(options.model)
    found: dict[str, list[Judged]] = {}
    for task in available_tasks(options.source):
        train = choose_examples(read_task(options.source, task, "train"), task, "train", run)
        plan = [one for one in run.profile.decodings(train) if one.beams == 1]
        for example in train:
            samples = [sample for one in plan for sample in kept.found(example.instruction, one, options.seed)]
            if len(samples) == sum(one.count for one in plan):
                samples = [samples[place] for place in sample_order(samples)]
                pool = scored(scorer, example.instruction, samples)
                found.setdefault(task, []).append(judge(pool, example.references))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--source", type=Path, default=cache_folder() / "bigbench")
    parser.add_argument("--llm", default="smollm2 (chat)", help="the model's name in the benchmark's report")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("-m", "--model", default="base")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tasks = judged_tasks(options)
    everything = [one for rows in tasks.values() for one in rows]
    weights = fit_rule(everything, 0.8).weights
    print(f"weights from {len(everything)} instructions of {len(tasks)} tasks: {tuple(round(w, 3) for w in weights)}")
    others = {task: fit_rule([j for t, rows in tasks.items() if t != task for j in rows], 0.8) for task in tasks}
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        means = [
            {key: fmean(row[key] for row in rows) for key in rows[0]}
            for task, judged in tasks.items()
            if (rows := [simulate(one, StoppingRule(others[task].weights, threshold)) for one in judged])
        ]
        used, adaptive, every, half = (
            fmean(mean[key] for mean in means) for key in ("samples", "adaptive", "all", "half")
        )
        print(
            f"threshold {threshold}: {used:.1f} samples, Rouge-L {100 * adaptive:.2f}; "
            f"all: {100 * every:.2f}; half: {100 * half:.2f} ({len(means)} tasks, each by a rule of the others)"
        )


if __name__ == "__main__":
    main()
