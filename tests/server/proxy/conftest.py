"""A real llama.cpp server, a proxy before it that can spoil answers, and Cappy before both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cappy.llm.gguf import GgufLLM
from tests.llm.proxy import healthy, proxied
from tests.server.conftest import Running


@pytest.fixture(scope="package")
def upstream(smollm2: GgufLLM) -> Iterator[Any]:
    """The spoiling proxy before the real model; its `address` ends in /v1."""
    with proxied(smollm2.address.removesuffix("/v1"), healthy) as server:
        yield server


@pytest.fixture(scope="package")
def running(upstream: Any, smollm2: GgufLLM) -> Iterator[Running]:
    server = Running("--llm", upstream.address, "--llm-key", smollm2.key, "-n", "4", "--llm-seconds", "20")
    yield server
    assert "Traceback" not in server.stop()


@pytest.fixture
def spoiled(upstream: Any) -> Iterator[Any]:
    """The proxy, healthy again after the test, with what came written down anew."""
    upstream.bodies.clear()
    yield upstream
    upstream.fault = healthy
