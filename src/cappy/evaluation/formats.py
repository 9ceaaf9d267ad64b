"""Format shares, intervals and plain values for reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cappy.metrics.bootstrap import Interval


def percent(share: float) -> str:
    """Format a share as percent."""
    return f"{100 * share:.1f}"


def span(bounds: Interval) -> str:
    """Format an interval of shares as percent."""
    return f"{percent(bounds.low)} to {percent(bounds.high)}"


def plain(value: Any) -> Any:
    """Convert a tree of mappings and sequences to dicts and lists, with None for NaN, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
