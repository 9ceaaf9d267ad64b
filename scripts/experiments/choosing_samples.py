r"""How good the samples are that models choose: the mean Rouge-L of the best-scored one of each held-out group.

python scripts/experiments/choosing_samples.py runs/choices/*/state --samples runs/held-out-samples.parquet --seed 0

The groups are those that `sampled_groups.py` makes of development groups, the states what `choices.py` leaves. Chosen
is among the samples alone, of which those that say what the reference says are none.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from states import read_state

from cappy.data.store import read_groups
from cappy.evaluation.bootstrap import interval, resampled_means
from cappy.group import Group


def samples_alone(group: Group) -> Group:
    """Keep a group's samples."""
    return replace(group, candidates=tuple(one for one in group.candidates if one.origin.startswith("sample")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("states", type=Path, nargs="+")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    chosen = parser.parse_args()
    groups = [one for one in map(samples_alone, read_groups(chosen.samples)) if len(one.candidates) > 1]
    labels = [np.array([one.label or 0.0 for one in group.candidates]) for group in groups]
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print(f"{len(groups)} groups with {sum(map(len, labels))} samples, Rouge-L in percent:")
    chance = np.array([values.mean() for values in labels])
    print(f"  any sample {100 * chance.mean():.1f}, the best {100 * np.mean([values.max() for values in labels]):.1f}")
    for state in chosen.states:
        scores = read_state(state)(groups)
        got = np.array([values[one.argmax()] for values, one in zip(labels, scores, strict=True)])
        gain = interval(resampled_means((got - chance)[:, None], chosen.seed, "samples")[:, 0])
        gained = f"{100 * (got - chance).mean():+.1f}, {100 * gain.low:+.1f} to {100 * gain.high:+.1f} at 95%"
        print(f"  chosen by {state.parent.name}: {100 * got.mean():.1f} ({gained})")


if __name__ == "__main__":
    main()
