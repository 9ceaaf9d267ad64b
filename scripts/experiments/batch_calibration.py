r"""What batch calibration gives: each choice's mean score over unlabelled texts is taken away (Zhou et al., 2024).

`cappy.Classifier.fit` does it where it has no labels. Measured on the tasks that `choices.py` leaves out of training,
with a model that it trained.

python scripts/experiments/batch_calibration.py runs/choices/the-recipe-…/state --data DATA --seed 0

Of every task and template that asks with the same choices throughout, the texts are halved: the mean scores are of one
half, the accuracy is of the other, and then the other way round. Averages are over templates, then over tasks.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np
from choices import UNSEEN, unseen_groups
from numpy.typing import NDArray
from states import read_state

from cappy.batch_calibration import batch_offsets
from cappy.group import Group

Floats = NDArray[np.float64]
LEAST = 40
"""Texts that a template must have for its halves to be worth measuring."""


def accuracy(scores: Floats, right: NDArray[np.bool_], share: float, texts: int | None = None) -> float:
    """Return the accuracy on the second half of the rows [rows, choices], less `share` of the first half's means.

    `texts` limits how many rows the means are of.
    """
    half = len(scores) // 2
    best = (scores[half:] + batch_offsets(scores[:half][:texts], share)).argmax(axis=1)
    return float(right[half:][np.arange(len(best)), best].mean())


def both_ways(scores: Floats, right: NDArray[np.bool_], share: float, texts: int | None) -> float:
    return fmean([accuracy(scores, right, share, texts), accuracy(scores[::-1], right[::-1], share, texts)])


def by_choices(groups: list[Group], scores: list[NDArray[np.float32]]) -> dict[str, list[tuple[Floats, Floats]]]:
    """Return scores and what is right, [texts, choices] each, of every template of a task with constant choices."""
    parts: dict[tuple[str, str, tuple[str, ...]], list[tuple[list[float], list[bool]]]] = defaultdict(list)
    for group, values in zip(groups, scores, strict=True):
        order = sorted(range(len(values)), key=lambda place, one=group: one.candidates[place].text)
        texts = tuple(group.candidates[place].text for place in order)
        right = [(group.candidates[place].label or 0) > 0.5 for place in order]
        parts[group.task, group.template, texts].append(([float(values[place]) for place in order], right))
    found: dict[str, list[tuple[Floats, Floats]]] = defaultdict(list)
    for (task, _, _), rows in parts.items():
        if len(rows) >= LEAST:
            found[task].append((np.array([one for one, _ in rows]), np.array([one for _, one in rows])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, help="folder of a state that choices.py left")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recipe's data")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--texts", type=int, nargs="+", default=[10, 1000], help="texts that the means are of, at most")
    parser.add_argument("--groups", type=int, default=1000, help="groups of a task, at most")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    groups = unseen_groups(chosen.data, chosen.seed, chosen.groups)
    random.Random(chosen.seed).shuffle(groups)
    parts = by_choices(groups, read_state(chosen.state)(groups))
    tasks = [task for task in UNSEEN if parts[task]]
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print(f"| texts | share taken away | mean over tasks | {' | '.join(tasks)} |\n|{'---|' * (3 + len(tasks))}")
    for texts in chosen.texts:
        for share in chosen.shares:
            found = [fmean(both_ways(*rows, share, texts) for rows in parts[task]) for task in tasks]
            cells = " | ".join(f"{100 * one:.1f}%" for one in (fmean(found), *found))
            print(f"| {texts} | {share:g} | {cells} |")


if __name__ == "__main__":
    main()
