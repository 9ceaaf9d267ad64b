"""Running a block of docs/how-to/integrations.md as a reader would, behind the lines that all blocks share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import blocks

SAID = re.compile(r"  # prints: (.+)$", re.MULTILINE)
"""What a block says that a line prints."""
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "integrations.md"


def run_block(naming: str, capsys: pytest.CaptureFixture[str], **names: Any) -> dict[str, Any]:
    """Run the one block that has this text, and check what it says it prints; `names` are what a reader has already."""
    start, *others = (block for block in blocks(PAGE) if block.is_python)
    (block,) = [one for one in others if naming in one.code]
    capsys.readouterr()
    exec(compile(start.code, str(PAGE), "exec"), names)
    exec(compile("\n" * (block.line - 1) + block.code, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    for said in SAID.findall(block.code):
        assert said in printed, f"the block at line {block.line} prints {printed!r}, not {said!r}"
    return names


def configuration() -> str:
    """Return the page's configuration of LiteLLM."""
    found = re.search(r"```yaml\n(model_list:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]
