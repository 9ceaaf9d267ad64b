"""Shares and intervals as reports write them."""

from __future__ import annotations

from cappy.evaluation.bootstrap import Interval


def percent(share: float) -> str:
    """Show a share in percent."""
    return f"{100 * share:.1f}"


def span(bounds: Interval) -> str:
    """Show an interval of shares in percent."""
    return f"{percent(bounds.low)} to {percent(bounds.high)}"
