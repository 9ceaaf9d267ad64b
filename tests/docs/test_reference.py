"""The generated references are fresh, and the drawing of the packages shows the code as it is."""

from __future__ import annotations

import ast
import importlib.util
import re
from types import ModuleType

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.test_layers import LEVEL, modules

PACKAGE = ROOT / "src" / "cappy"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli.md", "http.md"])
def test_generated_pages_are_fresh(name: str, reference: ModuleType) -> None:
    made = reference.cli_page() if name == "cli.md" else reference.http_page()
    kept = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert made == kept, f"docs/reference/{name} is stale; run `python scripts/reference.py`"


def test_the_drawing_shows_every_package_and_imports_that_exist() -> None:
    drawing = (DOCS / "assets" / "packages.mmd").read_text(encoding="utf-8")
    boxes = re.findall(r'^  (\w+)\["`\*\*(.+?)\*\*$', drawing, re.MULTILINE)
    shown = {name for _, title in boxes for name in title.split(" · ")}
    assert shown == set(LEVEL)
    arrows = re.findall(r"^  (\w+) --> (.+)$", drawing, re.MULTILINE)
    assert len(arrows) > 10
    for source, targets in arrows:
        imported = imports(source)
        for target in targets.split(" & "):
            if target != "ground":
                assert target in imported, f"{source} does not import {target}"


def imports(package: str) -> set[str]:
    files = list((PACKAGE / package).rglob("*.py")) or [PACKAGE / f"{package}.py"]
    return set().union(*(modules(ast.parse(file.read_text(encoding="utf-8"))) for file in files))


def test_the_drawing_is_the_source_drawn() -> None:
    drawn = (DOCS / "assets" / "packages.svg").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", re.sub(r"<[^>]+>", " ", drawn)))
    source = (DOCS / "assets" / "packages.mmd").read_text(encoding="utf-8")
    for label in re.findall(r'\["`(.+?)`"\]', source, re.DOTALL):
        assert set(re.findall(r"\w+", label)) <= words, f"packages.svg lacks {label!r}; draw it again"
