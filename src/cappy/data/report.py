"""A set of groups as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from cappy.data.summary import LABEL_BINS, WORD_EDGES, Summary
from cappy.data.text import repair
from cappy.errors import MissingExtraError


def html_report(
    title: str, about: str, summary: Summary, manifest: Mapping[str, Any] | None = None, against: int = 0
) -> str:
    """Render the page. A build's `manifest` adds what could not be used; `against` counts the texts looked for."""
    try:
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtraError("the report", "data") from error
    template = files("cappy.data").joinpath("report.html.j2").read_text(encoding="utf-8")
    found = manifest or {}
    page: str = (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            title=title,
            about=about,
            summary=summary,
            problems=found.get("problems", {}),
            samples=found.get("problem_samples", {}),
            against=against,
            words=[str(edge) for edge in WORD_EDGES],
            tenths=[f"{place / LABEL_BINS:.1f} to {(place + 1) / LABEL_BINS:.1f}" for place in range(LABEL_BINS)],
        )
    )
    return repair(page)
