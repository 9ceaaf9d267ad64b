"""Ridge regression in closed form, with what it would predict for every row if that row had been left out.

Leaving one row out changes a linear smoother's prediction by a known amount (Cook and Weisberg, 1982): with residual r
and leverage h, the left-out residual is r / (1 - h). So choosing among hundreds of settings costs one decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The decomposition of weighted rows: `rows` = left · diag(√values) · right, and the rows' `weights` [rows].

    `left` [rows, rank], `values` [rank], `right` [rank, features].
    """

    left: Floats
    values: Floats
    right: Floats
    weights: Floats

    @classmethod
    def of(cls, features: Floats, weights: Floats) -> Spectrum:
        """Decompose features [rows, features]; a row counts as `weights` [rows] says, which are above 0."""
        rows = features * np.sqrt(weights)[:, None]
        by_row = len(rows) <= rows.shape[1]
        values, vectors = np.linalg.eigh(rows @ rows.T if by_row else rows.T @ rows)
        kept = values > 1e-10 * max(values.max(initial=0), 1e-12)
        values, vectors = values[kept], vectors[:, kept]
        other = (rows.T if by_row else rows) @ vectors / np.sqrt(values)
        left, right = (vectors, other.T) if by_row else (other, vectors.T)
        return cls(left, values, right, weights)

    def left_out(self, targets: Floats, penalty: float) -> Floats:
        """Predict every row's targets [rows, outputs] from all other rows; there is no intercept."""
        shrunk = self.values / (self.values + penalty)
        root = np.sqrt(self.weights)[:, None]
        fitted = (self.left * shrunk) @ (self.left.T @ (targets * root)) / root
        leverage = ((self.left**2) * shrunk).sum(axis=1)
        found: Floats = targets - (targets - fitted) / np.maximum(1 - leverage, 1e-9)[:, None]
        return found

    def weight(self, targets: Floats, penalty: float) -> Floats:
        """Return the map from features to targets, fitted on all rows: [features, outputs]."""
        shrunk = np.sqrt(self.values) / (self.values + penalty)
        found: Floats = self.right.T @ (shrunk[:, None] * (self.left.T @ (targets * np.sqrt(self.weights)[:, None])))
        return found
