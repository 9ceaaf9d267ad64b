"""A set of groups as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cappy.data.summary import LABEL_BINS, WORD_EDGES, Summary
from cappy.files.html import render
from cappy.text.normalization import repair

KINDS = ("reference", "choice", "other", "sample")
"""Kinds of origins in display order; an origin is a kind, with an optional detail: "sample:beam4"."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: its label, its count, and its parts from bottom to top.

    A part is the origin, its count and its height as a share of the tallest bar, in percent.
    """

    name: str
    count: int
    parts: tuple[tuple[str, int, float], ...]


def stacked_bars(bins: Mapping[str, Sequence[int]], names: Sequence[str]) -> list[Bar]:
    """Stack histograms over the same bins, in the order of the mapping."""
    counts = [sum(column) for column in zip(*bins.values(), strict=True)] or [0] * len(names)
    tallest = max(counts) or 1
    return [
        Bar(name, count, tuple((origin, b[place], 100 * b[place] / tallest) for origin, b in bins.items() if b[place]))
        for place, (name, count) in enumerate(zip(names, counts, strict=True))
    ]


def in_order(origins: Iterable[str]) -> list[str]:
    """Sort origins by their kind, unknown ones last, then by name."""

    def place(origin: str) -> tuple[int, str]:
        return (KINDS.index(kind) if (kind := kind_of(origin)) in KINDS else len(KINDS)), origin

    return sorted(origins, key=place)


UNKNOWN: Mapping[str, Any] = {
    "rows": 0,
    "shards": (),
    "problems": {},
    "problem_samples": {},
    "passed_over": {},
    "versions": {},
    "seed": None,
}
"""Manifest of groups that come without one."""


def kind_of(origin: str) -> str:
    """Return the kind of an origin; `unknown` if it is not in `KINDS`."""
    kind = origin.partition(":")[0]
    return kind if kind in KINDS else "unknown"


def html_report(
    title: str, about: str, summary: Summary, manifest: Mapping[str, Any] | None = None, against: int = 0
) -> str:
    """Render the page. A build's `manifest` adds problems; `against` is the number of evaluation texts searched for."""
    values = {
        "title": title,
        "about": about,
        "summary": summary,
        "total": summary.total,
        "origins": in_order(summary.candidates),
        "manifest": {**UNKNOWN, **(manifest or {})},
        "against": against,
        "stacked": stacked_bars,
        "words": _ranges(WORD_EDGES),
        "word_edges": [str(edge) for edge in WORD_EDGES],
        "tenths": [f"{place / LABEL_BINS:.1f} to {(place + 1) / LABEL_BINS:.1f}" for place in range(LABEL_BINS)],
        "tenth_edges": [f".{place}" if place else "0" for place in range(LABEL_BINS)],
    }
    return repair(render("cappy.data", values, {"number": "{:,}".format, "kind": kind_of}))


def _ranges(edges: Sequence[int]) -> list[str]:
    """Name the bins between lower edges: "0", "2 to 3", "512 or more"."""
    closed = [str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in pairwise(edges)]
    return [*closed, f"{edges[-1]} or more"]
