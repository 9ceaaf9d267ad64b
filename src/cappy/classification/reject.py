"""When to abstain: the lowest confidence at which answers are right often enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reject_below(confidence: Floats, right: NDArray[np.bool_], precision: float) -> float:
    """Return the lowest confidence at which to answer so that a share `precision` of the answers is right.

    `confidence` [texts] and `right` [texts] are of held-out texts. One extra error is assumed, so that the precision
    also holds for new texts (the finite-sample correction of conformal risk control, Angelopoulos et al., 2024).
    Infinity if no threshold reaches the precision: nothing is answered.
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    errors = np.cumsum(~right[order])
    holds = (errors + 1) / (answered + 1) <= 1 - precision
    # Texts with equal confidence are answered together or not at all.
    last_of_its_kind = np.append(np.diff(confidence[order]) != 0, True)
    places = np.flatnonzero(holds & last_of_its_kind)
    return float(confidence[order][places[-1]]) if len(places) else float("inf")
