"""`cappy explain`: which words moved the score of a response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cappy.cli.options import AsJson, Layout, Model, Precision, Runtime, Threads, load_scorer, read_instruction
from cappy.cli.output import harmless, print_json, printable, watched
from cappy.explanation.occlusion import LIMIT

if TYPE_CHECKING:
    from rich.text import Text

    from cappy.explanation.occlusion import Effect, Explanation

STRONG, WEAK = 0.5, 0.1
"""Words are bold or coloured from these shares of the largest effect."""
UP, DOWN = "green", "red underline"
"""Styles of words that raised or lowered the score; underlined for readers who cannot tell red from green."""


def explain(
    instruction: Annotated[str, typer.Argument(help="The instruction; - reads it from standard input.")],
    response: Annotated[str, typer.Argument(help="The response whose score is explained.")],
    limit: Annotated[int, typer.Option(min=1, help="Maximum spans per text; longer texts get longer spans.")] = LIMIT,
    as_json: AsJson = False,
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Show which words of an instruction and a response moved the score, and by how much.

    Each word is left out once; its effect is the score with it minus the score without it.

    Example: cappy explain "The soup was cold. Is this review positive or negative?" negative
    """
    from rich.console import Console

    from cappy.explanation.occlusion import explain as explained

    instruction = read_instruction(instruction)
    found = explained(load_scorer(model, runtime, layout, precision, threads), instruction, response, limit)
    console = Console(highlight=False)
    if as_json:
        print_json(_as_json(instruction, response, found))
    elif watched(console) and console.color_system and not console.no_color:
        console.print(_coloured(instruction, response, found))
    else:
        typer.echo("\n".join(_numbers(found)))


def _as_json(instruction: str, response: str, found: Explanation) -> dict[str, Any]:
    facts: dict[str, Any] = {"instruction": instruction, "response": response, "score": found.score}
    if found.cut:
        facts["tokens_cut"] = {"instruction": found.cut.instruction, "response": found.cut.response}
    effects = {"instruction": found.instruction, "response": found.response}
    return {**facts, "effects": {side: [asdict(one) for one in few] for side, few in effects.items()}}


def _head(found: Explanation) -> str:
    return f"{found.score:.4f}" + (f"  [{found.cut}]" if found.cut else "")


def _numbers(found: Explanation) -> list[str]:
    """Return the score, then one line per word, strongest first: effect, side, word."""
    spans = found.strongest()
    return [_head(found), *(f"{one.effect:+8.4f}  {side}: {printable(one.text)}" for side, one in spans)]


def _coloured(instruction: str, response: str, found: Explanation) -> Text:
    """Return both texts with words coloured by effect, and a legend."""
    from rich.text import Text

    effects = [*found.instruction, *found.response]
    largest = max((abs(one.effect) for one in effects), default=0.0)
    shown = Text.assemble(("score ", "bold"), _head(found), "\n")
    for name, text, few in (("instruction", instruction, found.instruction), ("response", response, found.response)):
        shown.append(f"\n{name}\n", style="bold").append_text(_marked(text, few, largest)).append("\n")
    shown.append("\n").append("raised the score", style=UP).append("  ").append("lowered it", style=DOWN)
    if effects:
        strongest = max(effects, key=lambda one: abs(one.effect))
        most = f"{strongest.effect:+.4f}, {printable(strongest.text)}"
        shown.append(f"  bold: at least half of the largest effect ({most})")
    return shown


def _marked(text: str, effects: Sequence[Effect], largest: float) -> Text:
    """Return a text with words styled by their effects; `largest` is the largest absolute effect."""
    from rich.text import Text

    # Line by line, so that control characters are replaced and positions stay the same.
    shown = Text("\n".join(harmless(line.replace("\t", " ")) for line in text.split("\n")))
    for one in effects:
        share = abs(one.effect) / largest if largest else 0.0
        if share >= WEAK:
            style = UP if one.effect > 0 else DOWN
            shown.stylize(f"bold {style}" if share >= STRONG else style, one.start, one.end)
    return shown
