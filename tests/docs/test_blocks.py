"""Every Python block and every `cappy` command of the documentation runs as pasted, page by page, in order.

A block is marked `<!-- not run: REASON -->` on the line above it if it needs a hub, a GPU, a server, minutes, or data
that the page cannot make. A block with a title (```json title="rows.jsonl") is written to that file first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cappy.llm.registry import fetch_model
from tests.docs.pages import CARDS, COMMAND, WRITTEN, Block, blocks

PAGES = [*WRITTEN, *CARDS]
PRINTED = re.compile(r"  # prints: (.+)$", re.MULTILINE)
"""What a block says that a line prints."""


def test_every_block_is_found() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(blocks(page)) * 2 == len(re.findall(r"^\s*```", text, re.MULTILINE)), page


def test_commands_stand_in_bash_blocks() -> None:
    for page in PAGES:
        for block in blocks(page):
            if COMMAND.search(block.code):
                assert block.is_shell, f"{page}:{block.line}: `cappy` commands belong in a ```bash block"


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `cappy` is this checkout's."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "cappy"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cappy.cli.app "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}


def run_shell(block: Block, page: Path, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{page}:{block.line}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.runs for block in blocks(page))], ids=str)
def test_blocks_run_as_pasted(
    page: Path,
    tmp_path: Path,
    shell: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    if any("smollm2" in block.code for block in blocks(page) if block.runs):
        fetch_model("smollm2")
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.is_file:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.code, encoding="utf-8")
        if not block.runs:
            continue
        if block.is_shell:
            printed = run_shell(block, page, folder, shell)
        else:
            # Blank lines before the code: a failure names the line of the page.
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
            printed = capsys.readouterr().out
        # A language model's samples differ between processors; what a scorer prints must hold.
        for expected in [] if "find_llm" in block.code else PRINTED.findall(block.code):
            assert expected in printed, f"{page}: the block at line {block.line} does not print {expected!r}"
