"""Tables and JSON on standard output."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from cappy.cli.bars import NARROWEST, Bar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cappy.group import Group

_JOINERS = "\u200c\u200d"
"""Characters without a width that emoji and several scripts are written with."""


def print_json(value: Any) -> None:
    """Print one JSON value on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int] = (),
    bars: Sequence[float] = (),
) -> None:
    """Print a table; `numbers` are the columns to align right. Long texts wrap to the terminal.

    `bars`, in [0, 1], one a row, are drawn before the last column if standard output is a wide enough terminal.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    cells: list[list[RenderableType]] = [[Text(printable(cell)) for cell in row] for row in rows]
    if bars and watched(console) and console.width >= NARROWEST:
        columns = [*columns[:-1], "", columns[-1]]
        cells = [[*row[:-1], Bar(share), row[-1]] for row, share in zip(cells, bars, strict=True)]
    table = Table(title=Text(title) if title else None, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(
            name, justify="right" if place in numbers else "left", no_wrap=place in numbers, overflow="fold"
        )
    for row in cells:
        table.add_row(*row)
    console.print(table)


def watched(console: Console) -> bool:
    """Tell whether a person watches: standard output is a terminal, and no variable has rich treat it as none."""
    return console.is_terminal and console.file.isatty()


def print_group(group: Group) -> None:
    """Print a group: task and template, the instruction as it is, then a line for each candidate."""
    from rich.console import Console
    from rich.rule import Rule
    from rich.text import Text

    console = Console()
    console.print(Rule(Text(printable(" · ".join(filter(None, (group.task, group.template))) or "group"))))
    for line in group.instruction.splitlines():
        console.print(Text(printable(line)))
    console.print()
    width = max(len(candidate.origin) for candidate in group.candidates)
    for candidate in group.candidates:
        label = "  —  " if candidate.label is None else f"{candidate.label:5.2f}"
        style = "bold" if candidate.is_right else ""
        console.print(Text(f"{label}  {candidate.origin:{width}}  {printable(candidate.text)}", style=style))
    console.print()


def printable(text: str) -> str:
    """Make any text safe to show on one terminal line: no control characters, no lone surrogates."""
    return harmless(" ".join(text.split()))


def harmless(text: str) -> str:
    """Replace what a terminal must not be sent: control characters and lone surrogates. As long as the text."""
    safe = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() or character in _JOINERS else "�" for character in safe)
