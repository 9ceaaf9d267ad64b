"""Imports run one way: a package imports only packages that are listed before it here."""

from __future__ import annotations

import ast
from pathlib import Path

import cappy

ROOT = Path(cappy.__file__).parent
LAYERS = (
    ("errors",),
    ("text", "group", "calibration", "encoders"),
    ("files", "metrics"),
    ("layout",),
    ("checkpoint", "llm"),
    ("runtime",),
    ("scorer",),
    ("data", "explanation", "classification"),
    ("selection", "classifier", "scale", "training"),
    ("boost", "adaptation"),
    ("evaluation", "integrations", "server"),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules(tree: ast.AST) -> set[str]:
    """Return the first part of every `cappy` module that is imported anywhere in a file."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cappy":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names} & set(LEVEL)
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("cappy.")}
    return found


def upward_imports(root: Path) -> list[str]:
    wrong = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts in (("__init__",), ("__main__",)):
            continue  # the public names, imported on first use, and the command
        here = parts[0]
        for target in modules(ast.parse(path.read_text(encoding="utf-8"))) - {here}:
            if LEVEL[target] >= LEVEL[here]:
                wrong.append(f"{'.'.join(parts)} imports {target}")
    return wrong


def test_imports_run_one_way():
    assert upward_imports(ROOT) == []


def test_an_upward_import_is_found(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "words.py").write_text("def late():\n    from cappy.server.app import create\n")
    assert upward_imports(tmp_path) == ["text.words imports server"]


def test_the_root_holds_the_public_doors_alone():
    assert {path.stem for path in ROOT.glob("*.py")} == {
        "__init__",
        "__main__",
        "boost",
        "classifier",
        "errors",
        "group",
        "scorer",
    }


def test_every_package_says_what_it_is_and_where_to_start():
    for package in ROOT.rglob("*/__init__.py"):
        if "models" not in package.parts:
            text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
            assert text, package
            if package.parent.parent == ROOT:
                assert "mports" in text, package
                assert "tart" in text or "`" in text, package
