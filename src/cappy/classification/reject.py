"""When to abstain: the least confidence at which answers are right often enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reject_below(confidence: Floats, right: NDArray[np.bool_], precision: float) -> float:
    """Return the least confidence at which to answer, for a share `precision` of the answers to be right.

    `confidence` [texts] and `right` [texts] are of texts that were not learnt from. One further error is reckoned with,
    so that the precision holds for texts to come and not only for those at hand (the finite-sample correction of
    conformal risk control, Angelopoulos et al., 2024). Infinite where no threshold reaches it: nothing is answered.
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    errors = np.cumsum(~right[order])
    holds = (errors + 1) / (answered + 1) <= 1 - precision
    # Texts of the same confidence are answered together or not at all.
    last_of_its_kind = np.append(np.diff(confidence[order]) != 0, True)
    places = np.flatnonzero(holds & last_of_its_kind)
    return float(confidence[order][places[-1]]) if len(places) else float("inf")
