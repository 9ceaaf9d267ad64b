"""Write docs/reference/cli.md and docs/reference/http.md from the commands and the OpenAPI document.

python scripts/reference.py            # needs the extra 'serve'
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast

import typer.main

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "<!-- Written by `python scripts/reference.py`; do not edit. -->\n"
JSON = "application/json"


def cell(text: Any) -> str:
    """Return a text as a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def table(*rows: tuple[str, ...]) -> list[str]:
    """Return the lines of a Markdown table; the first row is the header."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""]


# The command line


def cli_page() -> str:
    """Return the page of all commands."""
    from cappy.cli.app import app

    root = typer.main.get_command(app)
    commands = list(leaves(root, "cappy"))
    parts = ["# Command line", "", NOTE]
    rows = [(f"[`{name}`](#{name.replace(' ', '-')})", cell(first_line(one))) for name, one in commands]
    parts += table(("command", "what it does"), *rows)
    parts += ["## Exit codes", ""]
    parts += table(
        ("code", "meaning"),
        ("0", "done"),
        ("1", "done, but part of the input could not be used"),
        ("2", "wrong usage or unusable input"),
        ("3", "the checkpoint cannot be used"),
        ("4", "the language model cannot be used"),
        ("130", "interrupted; run the same command again to continue"),
    )
    for name, one in commands:
        parts += command_section(name, one)
    return "\n".join(parts).rstrip() + "\n"


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaf commands with their full names."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for key, one in inner.items():
        yield from leaves(one, f"{name} {key}")


def first_line(command: Any) -> str:
    """Return the first paragraph of a command's help."""
    return str(command.help or "").strip().split("\n\n")[0]


def command_section(name: str, command: Any) -> list[str]:
    """Return the section of a command: help, examples, arguments and options."""
    parts = [f"## {name}", ""]
    for paragraph in str(command.help or "").strip().split("\n\n"):
        if paragraph.startswith("Example: "):
            parts += ["```console", f"$ {' '.join(paragraph.removeprefix('Example: ').split())}", "```", ""]
        else:
            parts += [" ".join(paragraph.split()).replace("<", "&lt;"), ""]
    shown = [one for one in command.params if not one.hidden]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option" and one.name != "help"]
    if arguments:
        rows = [(f"`{one.name.upper()}`", cell(one.help or ""), required(one)) for one in arguments]
        parts += table(("argument", "meaning", "default"), *rows)
    if options:
        rows = [(spelling(one), cell(meaning(one)), required(one)) for one in options]
        parts += table(("option", "meaning", "default"), *rows)
    return parts


def spelling(option: Any) -> str:
    """Return the names of an option, the shortest last."""
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
    off = ", ".join(f"`{name}`" for name in option.secondary_opts)
    return f"{names} / {off}" if off else names


def meaning(option: Any) -> str:
    """Return an option's help, including repetition and environment variable."""
    notes = [str(option.help or "")]
    if option.multiple:
        notes += [] if "again" in notes[0] else ["May be given several times."]
    if option.envvar:
        notes.append(f"Environment: {option.envvar}.")
    return " ".join(notes)


def required(parameter: Any) -> str:
    """Return a parameter's default in words."""
    default = parameter.default
    if parameter.required:
        return "required"
    if isinstance(default, Enum):
        default = default.value
    if default is None or default is False or default in ("", ()):
        return ""
    return f"`{json.dumps(default) if isinstance(default, bool) else default}`"


# The HTTP server


def http_page() -> str:
    """Return the page of all paths."""
    document = openapi()
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = ["# HTTP API", "", NOTE]
    parts += ["A running server describes itself at `/docs` and `/openapi.json`.", ""]
    rows = [(f"`{method.upper()} {path}`", cell(one.get("description", ""))) for method, path, one in operations]
    parts += table(("path", "what it does"), *rows)
    tags = dict.fromkeys(one["tags"][0] for _, _, one in operations)
    for tag in tags:
        parts += [f"## {tag.capitalize()}", ""]
        for method, path, one in operations:
            if one["tags"][0] == tag:
                parts += operation_section(document, method, path, one)
    meanings: dict[str, dict[str, None]] = {}
    for _, _, one in operations:
        for status, answer in refused(one):
            meanings.setdefault(status, {})[cell(answer["description"]).rstrip(".")] = None
    rows = [(status, "; ".join(texts)) for status, texts in sorted(meanings.items())]
    parts += ["## Errors", "", *table(("status", "meaning"), *rows)]
    parts += ["## Schemas", ""]
    for name, schema in document["components"]["schemas"].items():
        parts += [f"### {name}", "", *described(schema), *fields(schema)]
    return "\n".join(parts).rstrip() + "\n"


def openapi() -> Mapping[str, Any]:
    """Return the OpenAPI document of a server, without starting one."""
    from cappy.server.app import build_app
    from cappy.server.engine import Engine
    from cappy.server.metrics import Metrics
    from cappy.server.settings import Settings

    engine = Engine(cast(Any, {}), Settings(), Metrics())  # no request is made, so no scorer is needed
    document: Mapping[str, Any] = build_app(engine).openapi()
    return document


def operation_section(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    """Return a path's section: body, example, response and errors."""
    parts = [f"### `{method.upper()} {path}`", "", *described(operation)]
    body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    for one in body.get("oneOf", [body]) if body else []:
        model = resolved(document, one)
        parts += [f"Body: `{type_name(one)}`", "", *fields(model)]
        for example in model.get("examples", [])[:1]:
            parts += ["```json", json.dumps(example, ensure_ascii=False, indent=2), "```", ""]
    answer = operation["responses"]["200"].get("content", {}).get(JSON, {}).get("schema", {})
    if answer:
        parts += [f"Response: `{type_name(answer)}`", ""]
    refusals = refused(operation)
    shapes = dict.fromkeys(
        type_name(one["content"][JSON]["schema"]) for _, one in refusals if JSON in one.get("content", {})
    )
    codes = ", ".join(status for status, _ in refusals)
    return [*parts, f"Errors ({', '.join(f'`{shape}`' for shape in shapes)}): {codes}.", ""] if refusals else parts


def refused(operation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the error responses of an operation."""
    return [(status, one) for status, one in operation["responses"].items() if status != "200"]


def described(schema: Mapping[str, Any]) -> list[str]:
    """Return a description as a paragraph, or nothing."""
    text = " ".join(str(schema.get("description", "")).split()).replace("<", "&lt;")
    return [text, ""] if text else []


def fields(model: Mapping[str, Any]) -> list[str]:
    """Return the table of a model's fields."""
    from cappy.server.reference import type_name as say

    rows = []
    for name, schema in model.get("properties", {}).items():
        default = schema.get("default")
        need = "required" if name in model.get("required", []) else ""
        shown = need or ("" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`")
        rows.append((f"`{name}`", cell(say(schema)), cell(schema.get("description", "")), shown))
    return table(("field", "type", "meaning", "default"), *rows) if rows else []


def type_name(schema: Mapping[str, Any]) -> str:
    """Name a schema as the server's `/docs` page does."""
    from cappy.server.reference import type_name as say

    return say(schema)


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema, with a reference resolved."""
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def pages() -> dict[str, str]:
    """Return both pages by file name."""
    return {"cli.md": cli_page(), "http.md": http_page()}


def main() -> None:
    """Write both pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
