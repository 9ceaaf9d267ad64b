"""The documentation's pages and the code blocks on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CARDS = sorted(ROOT.glob("src/cappy/models/*/README.md"))
GENERATED = [DOCS / "reference" / "cli.md", DOCS / "reference" / "http.md", *sorted(DOCS.glob("results/*/*.md"))]
"""Pages that a command writes: the references, and the reports in the folders of `docs/results`."""
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
WRITTEN += [page for page in sorted(DOCS.rglob("*.md")) if page not in GENERATED]
"""Pages that people write."""

FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^cappy ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block, the line of its first statement, and why it is not run ("" for those that are).

    A block with a `title` is a file of that name, which later blocks of the page read.
    """

    language: str
    code: str
    line: int
    title: str
    why: str

    @property
    def is_file(self) -> bool:
        return bool(self.title)

    @property
    def is_shell(self) -> bool:
        return self.language == "bash" and not self.is_file and bool(COMMAND.search(self.code))

    @property
    def is_python(self) -> bool:
        return self.language == "python" and not self.is_file

    @property
    def runs(self) -> bool:
        return not self.why and (self.is_shell or self.is_python)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            match["language"],
            match["code"],
            text.count("\n", 0, match.start("code")) + 1,
            match["title"] or "",
            match["why"] or "",
        )
        for match in FENCE.finditer(text)
    ]
