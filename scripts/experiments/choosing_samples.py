r"""How good the samples are that models choose: the mean Rouge-L of the best-scored one of each held-out group.

python scripts/experiments/choosing_samples.py runs/choices/A/state runs/choices/B/state \
    --samples runs/held-out-samples.parquet --seed 0

The groups are those that `sampled_groups.py` makes of development groups, the states what `choices.py` leaves; the
others are compared with the first. Samples that say just what the reference says are merged with it and are not among
those to choose from, so that all figures are lower than those of the language model would be. Intervals are percentile
bootstraps over groups.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from states import read_state

from cappy.data.store import read_groups
from cappy.group import Group
from cappy.metrics.bootstrap import interval, resampled_means


def samples_alone(group: Group) -> Group:
    """Keep a group's samples."""
    return replace(group, candidates=tuple(one for one in group.candidates if one.sampled))


def gained(got: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> str:
    """Say how much higher `got` is than `other` on average, both [groups] in [0, 1], in points."""
    bounds = interval(resampled_means((got - other)[:, None], seed, "samples")[:, 0])
    return f"{100 * (got - other).mean():+.1f} ({100 * bounds.low:+.1f} to {100 * bounds.high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("states", type=Path, nargs="+")
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    chosen = parser.parse_args()
    groups = [one for one in map(samples_alone, read_groups(chosen.samples)) if len(one.candidates) > 1]
    if not groups:
        parser.error(f"no group of {chosen.samples} has two samples")
    labels = [np.array([one.label or 0.0 for one in group.candidates]) for group in groups]
    chance = np.array([values.mean() for values in labels])
    print(f"command: {shlex.join(['python', *sys.argv])}\n")
    print(f"{len(groups)} groups with {sum(map(len, labels))} samples, Rouge-L in percent, 95% intervals:")
    print(f"  any sample {100 * chance.mean():.1f}, the best {100 * np.mean([values.max() for values in labels]):.1f}")
    first = None
    for state in chosen.states:
        scores = read_state(state)(groups)
        got = np.array([values[one == one.max()].mean() for values, one in zip(labels, scores, strict=True)])
        against = f"; against the first {gained(got, first, chosen.seed)}" if first is not None else ""
        print(f"  {state.parent.name}: {100 * got.mean():.1f}, against any {gained(got, chance, chosen.seed)}{against}")
        first = got if first is None else first


if __name__ == "__main__":
    main()
