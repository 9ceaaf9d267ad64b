"""Shares, intervals and plain values as reports write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cappy.metrics.bootstrap import Interval


def percent(share: float) -> str:
    """Show a share in percent."""
    return f"{100 * share:.1f}"


def span(bounds: Interval) -> str:
    """Show an interval of shares in percent."""
    return f"{percent(bounds.low)} to {percent(bounds.high)}"


def plain(value: Any) -> Any:
    """Return a tree of mappings and sequences as dicts and lists, None for NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
