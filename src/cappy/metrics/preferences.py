"""What a system's values say of judged answers: pairs in the right order, worth of the chosen, liking for length.

A row is one instruction. `values` and `worth` are [answers] of a row; equal values share what they choose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pair_order(values: Floats, worth: Floats) -> float:
    """Return the share of pairs of different worth that `values` put in the right order, a tie of values counted half.

    NaN where no two answers differ in worth.
    """
    better = worth[:, None] > worth[None, :]
    if not better.any():
        return float("nan")
    above = np.sign(values[:, None] - values[None, :])
    return float(((above + 1) / 2)[better].mean())


def chosen_worth(values: Floats, worth: Floats) -> float:
    """Return the worth of the highest-valued answer, the mean of them where several are highest."""
    return float(worth[values == values.max()].mean())


def length_liking(values: Floats, lengths: Floats) -> float:
    """Return Kendall's tau-b of values and lengths, in [-1, 1]; NaN where either does not differ.

    1: the longer of any two answers is always valued higher.
    """
    order = np.sign(values[:, None] - values[None, :])
    longer = np.sign(lengths[:, None] - lengths[None, :])
    pairs = np.triu_indices(len(values), 1)
    informative = np.sqrt(np.count_nonzero(order[pairs]) * np.count_nonzero(longer[pairs]))
    return float((order * longer)[pairs].sum() / informative) if informative else float("nan")


def share_of_the_way(chosen: Floats, random: Floats, best: Floats) -> Floats:
    """Return how much of the way from a random answer to the best is gone, over the last axis: 0 to 1, or below 0.

    Sums of [..., rows], so that rows count by what there is to win; NaN where nothing is.
    """
    room = (best - random).sum(axis=-1)
    gained = (chosen - random).sum(axis=-1)
    share: Floats = np.where(room > 0, gained / np.where(room > 0, room, 1), np.nan)
    return share
