"""`cappy mcp`: serve the scorer's tools to agents over the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from cappy.cli.options import BaseUrl, Chat, Layout, LlmKey, Model, Precision, Runtime, Threads, load_scorer


def mcp(
    llm: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Language model for best_of_n: smollm2, a GGUF file, or a model on the --base-url server."),
    ] = None,
    base_url: BaseUrl = None,
    api_key: LlmKey = None,
    chat: Chat = None,
    model: Model = None,
    runtime: Runtime = None,
    layout: Layout = None,
    precision: Precision = None,
    threads: Threads = 0,
) -> None:
    """Serve the tools rank, classify and best_of_n to an agent over standard input and output (MCP).

    Example, in an agent's settings: {"command": "cappy", "args": ["mcp"]}
    """
    from cappy.integrations.mcp import build
    from cappy.llm.find import find_llm

    found = find_llm(llm, base_url=base_url, api_key=api_key, chat=chat, threads=threads) if llm else None
    build(load_scorer(model, runtime, layout, precision, threads), found).run()
