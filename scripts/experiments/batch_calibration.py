r"""What batch calibration gives: each choice's mean score over unlabelled texts is taken away (Zhou et al., 2024).

`cappy.Classifier.fit` does it where it has no labels. Measured on the tasks that `choices.py` leaves out of training,
with a model that it trained.

python scripts/experiments/batch_calibration.py runs/choices/the-recipe-…/state --data DATA --seed 0

Of every task, template and set of choices that is asked for 40 texts or more, the texts are halved: the means are of
one half, the accuracy is of the other, and then the other way round. Averages are over such parts of a task, then over
tasks. The gain's interval is a percentile bootstrap over texts that leaves the means as they are.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from choices import UNSEEN, unseen_groups
from numpy.typing import NDArray
from states import read_state

from cappy.calibration.batch import batch_offsets
from cappy.group import Group
from cappy.metrics.bootstrap import interval, resampled_means

Floats = NDArray[np.float64]
Part = tuple[Floats, NDArray[np.bool_]]
LEAST = 40
"""Texts that a part must have for its halves to be worth measuring."""


def hits(scores: Floats, right: NDArray[np.bool_], share: float, texts: int | None = None) -> Floats:
    """Return what is right of the rows [rows], `share` of the other half's means taken away; ties count in part.

    `scores` and `right` are [rows, choices]; `texts` limits how many rows the means are of.
    """
    middle = len(scores) // 2
    found = []
    for here, there in ((slice(0, middle), slice(middle, None)), (slice(middle, None), slice(0, middle))):
        adjusted = scores[here] + batch_offsets(scores[there][:texts], share)
        best = adjusted == adjusted.max(axis=1, keepdims=True)
        found.append((best & right[here]).sum(axis=1) / best.sum(axis=1))
    return np.concatenate(found)


def by_choices(groups: Sequence[Group], scores: Sequence[NDArray[np.float32]]) -> dict[str, list[Part]]:
    """Return a task's parts: scores and what is right, of all that were asked alike, with the same choices."""
    parts: dict[tuple[str, str, tuple[str, ...]], list[tuple[list[float], list[bool]]]] = defaultdict(list)
    for group, values in zip(groups, scores, strict=True):
        order = sorted(range(len(values)), key=lambda place, one=group: one.candidates[place].text)
        texts = tuple(group.candidates[place].text for place in order)
        right = [group.candidates[place].is_right for place in order]
        parts[group.task, group.template, texts].append(([float(values[place]) for place in order], right))
    found: dict[str, list[Part]] = defaultdict(list)
    for (task, _, _), rows in parts.items():
        if len(rows) >= LEAST:
            found[task].append((np.array([one for one, _ in rows]), np.array([one for _, one in rows])))
    return found


def resampled_gain(parts: Sequence[Part], share: float, texts: int | None, seed: int, task: str) -> Floats:
    """Return resampled gains of a task's accuracy over taking nothing away [draws]."""
    drawn = []
    for number, part in enumerate(parts):
        gains = hits(*part, share, texts) - hits(*part, 0.0)
        drawn.append(resampled_means(gains[:, None], seed, f"{task} {number}")[:, 0])
    gained: Floats = np.mean(drawn, axis=0)
    return gained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, help="folder of a state that choices.py left")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recipe's data")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument(
        "--texts", type=int, nargs="+", default=[5, 10, 20], help="texts that the means are of; then those of a half"
    )
    parser.add_argument("--groups", type=int, default=1000, help="groups of a task, at most")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    groups = unseen_groups(chosen.data, chosen.seed, chosen.groups)
    random.Random(chosen.seed).shuffle(groups)
    parts = by_choices(groups, read_state(chosen.state)(groups))
    tasks = [task for task in UNSEEN if parts[task]]
    sizes = [len(scores) for task in tasks for scores, _ in parts[task]]
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print(f"{len(sizes)} parts of {len(tasks)} tasks, of {min(sizes)} to {max(sizes)} texts, {sum(sizes)} together\n")
    print(f"| texts | share taken away | mean over tasks | gain | {' | '.join(tasks)} |\n|{'---|' * (4 + len(tasks))}")
    rows = [(None, 0.0), *((texts, share) for texts in (*chosen.texts, None) for share in chosen.shares if share > 0)]
    for texts, share in rows:
        found = {task: fmean(hits(*part, share, texts).mean() for part in parts[task]) for task in tasks}
        gained = [resampled_gain(parts[task], share, texts, chosen.seed, task) for task in tasks]
        bounds = interval(np.mean(gained, axis=0))
        cells = [str(texts or "half"), f"{share:g}", f"{100 * fmean(found.values()):.1f}%"]
        cells.append(f"{100 * bounds.low:+.1f} to {100 * bounds.high:+.1f}" if share else "")
        print(f"| {' | '.join([*cells, *(f'{100 * one:.1f}%' for one in found.values())])} |")


if __name__ == "__main__":
    main()
