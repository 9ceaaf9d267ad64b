"""The instruction-blind ablation: how well responses can be told apart without the instruction.

A scorer that does as well blind has learnt which responses look right, not which ones answer the instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cappy.evaluation.labelled.agreement import group_hits
from cappy.group import Group
from cappy.metrics.bootstrap import interval, resampled_means

if TYPE_CHECKING:
    from cappy.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Blindness:
    """Accuracy with and without instructions, in [0, 1], over `groups` labelled groups.

    `chance`: the expected accuracy of a random choice. `difference`: full minus blind accuracy, with its 95% bootstrap
    interval over groups.
    """

    groups: int
    accuracy: float
    blind_accuracy: float
    chance: float
    difference: float
    difference_low: float
    difference_high: float


def blindness(scorer: Scorer, groups: Sequence[Group], seed: int = 0) -> Blindness:
    """Measure accuracy on `groups` with their instructions and with empty ones."""
    unseeing = [replace(group, instruction="") for group in groups]
    full, blind = (
        group_hits(asked, [one.scores for one in scorer.score_groups(asked)]) for asked in (groups, unseeing)
    )
    drawn = interval(resampled_means((full - blind)[:, None], seed, "blind")[:, 0])
    chance = np.mean([np.mean([candidate.is_right for candidate in group.candidates]) for group in groups])
    return Blindness(
        groups=len(groups),
        accuracy=float(full.mean()),
        blind_accuracy=float(blind.mean()),
        chance=float(chance),
        difference=float((full - blind).mean()),
        difference_low=drawn.low,
        difference_high=drawn.high,
    )
