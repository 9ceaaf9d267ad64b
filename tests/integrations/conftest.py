"""A scorer, and a language model that says one text after the other, for the neighbours' own clients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

import cappy
from tests.server.stubs import Answer, answering, says

ASKED = "A warm, funny film.\nIs this review positive or negative?"
TEXTS = ["negative", "positive", "a dog"]
Talking = Callable[[list[str]], AbstractContextManager[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/integrations/" in item.path.as_posix():
            item.add_marker(pytest.mark.neighbours)


@pytest.fixture(scope="session")
def scorer() -> cappy.Scorer:
    return cappy.load("mini")


@pytest.fixture(scope="session")
def ranking(scorer: cappy.Scorer) -> cappy.Ranking:
    """What the neighbours must say of `TEXTS`."""
    found = scorer.rank(ASKED, TEXTS)
    assert found.best.text == "positive"
    return found


@pytest.fixture
def talking() -> Talking:
    """Return what starts an OpenAI-compatible server that says one of the texts a request, in turn."""

    @contextmanager
    def start(texts: list[str]) -> Iterator[str]:
        turns = itertools.cycle(texts)

        def answer(path: str, body: Any) -> Answer:
            return says([next(turns)] if body else texts)(path, body)

        with answering(answer) as address:
            yield f"{address}/v1"

    return start
