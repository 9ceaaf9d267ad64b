"""Bars beside numbers, for output that a person watches on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement

WIDTH = 10
"""Cells of a full bar."""
NARROWEST = 48
"""Columns of a terminal below which the texts need the bar's room."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Bar:
    """A bar for `share`, in [0, 1]; NaN, which stands for "no value", has none.

    Drawn in eighths of a cell, or in whole cells of # where the terminal's encoding has no blocks.
    """

    def __init__(self, share: float) -> None:
        """Cut the share to [0, 1]."""
        self.share = 0.0 if math.isnan(share) else min(1.0, max(0.0, share))

    def text(self, ascii_only: bool = False) -> str:
        """Return the bar as characters, `WIDTH` of them at most."""
        if ascii_only:
            return "#" * round(self.share * WIDTH)
        whole, eighths = divmod(round(self.share * WIDTH * 8), 8)
        return _EIGHTHS[-1] * whole + _EIGHTHS[eighths].strip()

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it in green."""
        from rich.text import Text

        yield Text(self.text(options.ascii_only), style="green")

    def __rich_measure__(self, _: Console, __: ConsoleOptions) -> Measurement:
        """Ask for the room of a full bar, so that bars of different tables compare."""
        from rich.measure import Measurement

        return Measurement(WIDTH, WIDTH)


def min_max_scaled(values: Sequence[float]) -> list[float]:
    """Return where each value stands between the least (0) and the greatest (1); equal values are all 1, NaN stays."""
    known = [value for value in values if not math.isnan(value)]
    least, most = min(known, default=0.0), max(known, default=0.0)
    if least == most:
        return [value if math.isnan(value) else 1.0 for value in values]
    return [(value - least) / (most - least) for value in values]
