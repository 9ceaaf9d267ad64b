"""MCP: the server as a process, asked by the official client over standard input and output."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import cappy
from cappy.integrations.given import best_of_given
from tests.integrations.conftest import ASKED, TEXTS, Talking

mcp = pytest.importorskip("mcp", reason="MCP's library is not installed: pip install '.[mcp]'")
Session = Any


def asking(work: Callable[[Session], Awaitable[Any]], *options: str) -> Any:
    """Start `cappy mcp`, shake hands, and let `work` ask."""
    command = ["-m", "cappy.cli.app", "mcp", "-m", "mini", "--threads", "1", *options]

    async def talk() -> Any:
        parameters = mcp.StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
        async with mcp.stdio_client(parameters) as streams, mcp.ClientSession(*streams) as session:
            told = await session.initialize()
            assert told.server_info.name == "cappy" and "small scorer" in told.instructions
            return await work(session)

    return asyncio.run(asyncio.wait_for(talk(), 120))


def test_tools_are_listed_ranked_and_classified(scorer: cappy.Scorer, ranking: cappy.Ranking) -> None:
    texts = ["Keeper saves two penalties as visitors reach the final", "Shares fell after the bank's report"]
    choices, question = ["sports", "business"], "{text}\nWhat is this headline about?"

    async def work(session: Session) -> Any:
        tools = (await session.list_tools()).tools
        ranked = await session.call_tool("rank", {"instruction": ASKED, "candidates": TEXTS, "top_k": 2})
        classified = await session.call_tool("classify", {"texts": texts, "choices": choices, "instruction": question})
        return tools, ranked, classified

    tools, ranked, classified = asking(work)
    assert {tool.name for tool in tools} == {"rank", "classify", "best_of_n"}
    assert all(tool.description and tool.annotations.read_only_hint for tool in tools)
    results = ranked.structured_content["results"]
    assert [(one["index"], one["text"]) for one in results] == [(item.index, item.text) for item in ranking][:2]
    assert [one["score"] for one in results] == pytest.approx(ranking.scores[:2], abs=1e-5)
    expected = cappy.Classifier(choices, question, scorer=scorer)
    found = classified.structured_content["results"]
    assert [one["label"] for one in found] == expected.predict(texts).tolist() == choices
    shares = [[one["probabilities"][name] for name in expected.classes_] for one in found]
    assert shares == [pytest.approx(row, abs=1e-5) for row in expected.predict_proba(texts).tolist()]


def test_best_of_n_of_samples_that_an_agent_brings(scorer: cappy.Scorer) -> None:
    samples = [*TEXTS, "positive"]

    async def work(session: Session) -> Any:
        chosen = await session.call_tool("best_of_n", {"instruction": ASKED, "samples": samples})
        alone = await session.call_tool("best_of_n", {"instruction": ASKED})
        empty = await session.call_tool("rank", {"instruction": ASKED, "candidates": []})
        several = await session.call_tool("best_of_n", {"samples": samples, "n": 65})
        alike = await session.call_tool("classify", {"texts": ["a"], "choices": ["one", "one"]})
        again = await session.call_tool("rank", {"instruction": ASKED, "candidates": ["yes"]})
        return chosen, alone, empty, several, alike, again

    chosen, alone, empty, several, alike, again = asking(work)
    expected = best_of_given(scorer, ASKED, samples)
    found = chosen.structured_content
    assert (found["best"], found["selector"]) == (expected.best, expected.selector)
    assert [one["index"] for one in found["samples"]] == list(expected.order)
    assert alone.is_error and "cappy mcp --llm" in alone.content[0].text
    assert empty.is_error and empty.content[0].text == "candidates: at least 1 needed, 0 given."
    assert several.is_error and several.content[0].text == "instruction: is required. n: must be at most 64."
    assert alike.is_error and "a choice is given twice" in alike.content[0].text
    assert not again.is_error  # a refusal costs later calls nothing


def test_the_server_ends_when_its_input_does() -> None:
    command = [sys.executable, "-m", "cappy.cli.app", "mcp", "-m", "mini", "--threads", "1"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_best_of_n_of_a_language_model(talking: Talking) -> None:
    async def work(session: Session) -> Any:
        return await session.call_tool("best_of_n", {"instruction": ASKED, "n": 3})

    with talking(["positive"]) as address:
        found = asking(work, "--llm", "stub", "--base-url", address).structured_content
    assert found["best"] == "positive" and len(found["samples"]) == 3
