"""Haystack: the ranker by itself, in a pipeline, and through a pipeline's file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cappy
from tests.integrations.conftest import ASKED, TEXTS
from tests.integrations.page import run_block

haystack = pytest.importorskip("haystack", reason="Haystack is not installed: make test-neighbours")


@pytest.fixture
def documents() -> list[Any]:
    return [haystack.Document(content=text, meta={"page": place}) for place, text in enumerate(TEXTS)]


def test_documents_are_ranked(ranking: cappy.Ranking, documents: list[Any]) -> None:
    from cappy.integrations.haystack import CappyRanker

    ranker = CappyRanker("mini", top_k=2)
    for found in (ranker.run(ASKED, documents), asyncio.run(ranker.run_async(ASKED, documents))):
        assert [one.content for one in found["documents"]] == [item.text for item in ranking][:2]
        assert [one.score for one in found["documents"]] == pytest.approx(ranking.scores[:2])
        assert [one.meta["page"] for one in found["documents"]] == [item.index for item in ranking][:2]
    assert all(one.score is None for one in documents)
    assert len(ranker.run(ASKED, documents, top_k=1)["documents"]) == 1
    assert ranker.run(ASKED, []) == {"documents": []}
    assert len(ranker.run(ASKED, [haystack.Document(content=None), *documents], top_k=4)["documents"]) == 4
    for wrong in (lambda: CappyRanker(top_k=0), lambda: ranker.run(ASKED, documents, top_k=0)):
        with pytest.raises(cappy.InputError, match="at least 1"):
            wrong()


def test_a_pipeline_and_its_file(ranking: cappy.Ranking, documents: list[Any]) -> None:
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from cappy.integrations.haystack import CappyRanker

    store = InMemoryDocumentStore()
    store.write_documents(documents)
    pipeline = haystack.Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=3))
    pipeline.add_component("ranker", CappyRanker("mini", top_k=1))
    pipeline.connect("retriever.documents", "ranker.documents")
    found = pipeline.run({"retriever": {"query": ASKED}, "ranker": {"query": ASKED}})
    assert [one.content for one in found["ranker"]["documents"]] == [ranking.best.text]
    alone = haystack.Pipeline()
    alone.add_component("ranker", CappyRanker("mini", top_k=1))
    again = haystack.Pipeline.loads(alone.dumps(), allowed_modules=["cappy.integrations.haystack"])
    found = again.run({"ranker": {"query": ASKED, "documents": documents}})
    assert [one.content for one in found["ranker"]["documents"]] == [ranking.best.text]


def test_the_page_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    run_block("CappyRanker(", capsys)
