"""Every Python block of the documentation runs as pasted, those of a page one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from cappy.llm.registry import fetch_model

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("src/cappy/models/*/README.md"))]
BLOCK = re.compile(r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

SAID = re.compile(r"  # prints: (.+)$", re.MULTILINE)
"""What a block says that a line prints."""


@dataclass(frozen=True)
class Block:
    """A Python block, the line of its first statement, and why it is not run ("" for those that are)."""

    code: str
    line: int
    why: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["code"], text.count("\n", 0, match.start("code")) + 1, match["why"] or "")
        for match in BLOCK.finditer(text)
    ]


def test_every_python_block_is_found() -> None:
    for page in PAGES:
        assert len(blocks(page)) == page.read_text(encoding="utf-8").count("```python"), page


@pytest.mark.parametrize("page", [page for page in PAGES if any(not block.why for block in blocks(page))], ids=str)
def test_blocks_run_as_pasted(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = [block for block in blocks(page) if not block.why]
    if any("smollm2" in block.code for block in run):
        fetch_model("smollm2")
    names: dict[str, object] = {"__name__": "__main__"}
    for block in run:
        # Blank lines before the code: a failure names the line of the page.
        exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
        printed = capsys.readouterr().out
        # What a language model samples differs between processors; what the page says a scorer prints must hold.
        for said in [] if "find_llm" in block.code else SAID.findall(block.code):
            assert said in printed, f"{page}: the block at line {block.line} does not print {said!r}"
    assert names.keys() - {"__name__", "__builtins__"}
