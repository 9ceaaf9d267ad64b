"""Tables of judged answers as Markdown, as rows for a terminal, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from cappy.evaluation.answers.table import Figures, SourceTable
from cappy.evaluation.formats import percent, plain, span
from cappy.metrics.bootstrap import Interval

COLUMNS = ("chosen", "pairs right", "worth", "of the way", "length")
BASELINES = ("longest", "mbr", "embedding-medoid", "self-mean")
NAMES = {
    "random": "random",
    "first": "first",
    "longest": "longest",
    "shortest": "shortest",
    "mbr": "agreement",
    "embedding-medoid": "embeddings",
    "self-mean": "likelihood",
    "cappy": "Cappy",
    "cappy+agreement": "Cappy, agreement",
    "combined": "combined",
    "combined-open": "combined-open",
    "combined-short": "combined-short",
}


def title(table: SourceTable) -> str:
    """Return the title of a table."""
    return f"{table.source}: {table.rows} instructions, {table.answers:.1f} answers each"


def cells(table: SourceTable) -> list[tuple[str, ...]]:
    """Return the rows of a table, one per system, as text in the order of `COLUMNS`."""
    return [(NAMES.get(name, name), *_cells(figures)) for name, figures in table.systems.items()]


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        _share(figures.pairs, figures.pairs_interval),
        "" if figures.worth is None else f"{figures.worth:.3g}",
        _share(figures.way, figures.way_interval),
        "" if math.isnan(figures.liking) else f"{figures.liking:+.2f}",
    )


def lead(table: SourceTable) -> str:
    """Describe in one line Cappy's lead over the others in pairs right; "" if no answers differ in worth."""
    parts = [
        f"{100 * one.pairs:+.1f} points ({span(one.bounds)}) over {NAMES[one.against]}"
        for one in table.differences
        if one.against in BASELINES and not math.isnan(one.pairs)
    ]
    return f"Cappy's pairs right: {', '.join(parts)}." if parts else ""


def markdown(tables: Sequence[SourceTable], about: str) -> str:
    """Write tables as Markdown; `about` describes the run, and a legend explains the columns."""
    return "\n".join(_lines(tables, about)) + "\n"


def _lines(tables: Sequence[SourceTable], about: str) -> Iterator[str]:
    yield from ("# Choosing among judged answers", "", about, "", LEGEND)
    for table in tables:
        yield from ("", f"## {title(table)}", "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|")
        yield from (f"| {' | '.join(row)} |" for row in cells(table))
        yield from ("", lead(table))


LEGEND = (
    "Chosen is a random answer, the first, the longest, the shortest, the one that agrees most with the others (mean "
    "Rouge-L, or cosine of embeddings), the likeliest, what Cappy scores highest, alone and with agreement, or what "
    "score, agreement and length give as the checkpoint weighs them. Pairs right: of two answers of "
    "different worth, how often the better is valued higher (equal values count half). Worth: of the answer that is "
    "chosen. Of the way: from a random answer (0) to the best (100). Length: Kendall's tau-b between values and "
    "lengths. In brackets 95% intervals, bootstrapped over instructions."
)


def figures(tables: Sequence[SourceTable]) -> list[dict[str, Any]]:
    """Return tables as plain values for JSON; unknown values are null."""
    return [plain(asdict(table)) for table in tables]


def _share(value: float, bounds: Interval) -> str:
    if math.isnan(value):
        return ""
    return f"{percent(value)} ({100 * bounds.low:.0f} to {100 * bounds.high:.0f})"
