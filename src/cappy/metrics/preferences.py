"""Metrics of a system's values on judged answers: pair order, worth of the chosen answer, length preference.

A row is one instruction. `values` and `worth` are [answers] of a row; ties at the top share the choice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pair_order(values: Floats, worth: Floats) -> float:
    """Return the share of pairs of different worth that `values` order correctly; ties of values count half.

    NaN if no two answers differ in worth.
    """
    better = worth[:, None] > worth[None, :]
    if not better.any():
        return float("nan")
    above = np.sign(values[:, None] - values[None, :])
    return float(((above + 1) / 2)[better].mean())


def chosen_worth(values: Floats, worth: Floats) -> float:
    """Return the worth of the highest-valued answer, or the mean worth of those tied for it."""
    return float(worth[values == values.max()].mean())


def length_liking(values: Floats, lengths: Floats) -> float:
    """Return Kendall's tau-b of values and lengths, in [-1, 1]; NaN if either is constant.

    At 1, the longer of any two answers is always valued higher.
    """
    order = np.sign(values[:, None] - values[None, :])
    longer = np.sign(lengths[:, None] - lengths[None, :])
    pairs = np.triu_indices(len(values), 1)
    informative = np.sqrt(np.count_nonzero(order[pairs]) * np.count_nonzero(longer[pairs]))
    return float((order * longer)[pairs].sum() / informative) if informative else float("nan")


def share_of_the_way(chosen: Floats, random: Floats, best: Floats) -> Floats:
    """Return the share of the way from a random answer to the best, over the last axis: at most 1, negative if worse.

    All are [..., rows] and are summed over rows first, so that rows weigh by what can be gained; NaN if nothing can.
    """
    room = (best - random).sum(axis=-1)
    gained = (chosen - random).sum(axis=-1)
    share: Floats = np.where(room > 0, gained / np.where(room > 0, room, 1), np.nan)
    return share
