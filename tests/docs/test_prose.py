"""Pages that people write stay short: at most 1,200 words a page and 90 words a paragraph."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import CARDS, FENCE, ROOT, WRITTEN

PAGE_WORDS = 1200
PARAGRAPH_WORDS = 90

WORD = re.compile(r"\S*\w\S*")
BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )")
"""Where a paragraph ends: at a blank line, or where a list item begins."""


def words(text: str) -> int:
    return len(WORD.findall(text))


def paragraphs(text: str) -> list[str]:
    """Return paragraphs and list items; code and tables are neither."""
    prose = re.sub(r"^\s*\|.*$", "", FENCE.sub("", text), flags=re.MULTILINE)
    return [part.strip() for part in BREAK.split(prose) if part.strip()]


@pytest.mark.parametrize("page", [*WRITTEN, *CARDS], ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_and_paragraphs_are_short(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert words(text) <= PAGE_WORDS, f"{words(text)} words; move what a reader can skip to another page"
    long = {part[:60]: words(part) for part in paragraphs(text) if words(part) > PARAGRAPH_WORDS}
    assert not long


def test_what_counts_as_a_paragraph() -> None:
    text = "One two\nthree.\n\n| a | table |\n\n- four\n- five six\n\n```python\ncode = 1\n```\n"
    assert [words(part) for part in paragraphs(text)] == [3, 1, 2]
