"""LangChain: documents compressed, and the best of n of its own runnables and models."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cappy
from tests.integrations.conftest import ASKED, TEXTS
from tests.integrations.page import run_block

pytest.importorskip("langchain_core", reason="LangChain is not installed: make test-neighbours")


@pytest.fixture
def documents() -> list[Any]:
    from langchain_core.documents import Document

    return [Document(text, id=str(place), metadata={"page": place}) for place, text in enumerate(TEXTS)]


def test_documents_are_compressed(scorer: cappy.Scorer, ranking: cappy.Ranking, documents: list[Any]) -> None:
    from langchain_core.documents import BaseDocumentCompressor

    from cappy.integrations.langchain import CappyCompressor

    compressor = CappyCompressor(scorer=scorer, top_n=2)
    assert isinstance(compressor, BaseDocumentCompressor)
    for found in (
        compressor.compress_documents(documents, ASKED),
        asyncio.run(compressor.acompress_documents(documents, ASKED)),
    ):
        assert [one.page_content for one in found] == [item.text for item in ranking][:2]
        assert [one.metadata["relevance_score"] for one in found] == pytest.approx(ranking.scores[:2])
        assert [one.metadata["page"] for one in found] == [int(one.id) for one in found]
    assert all("relevance_score" not in one.metadata for one in documents)
    assert len(CappyCompressor(scorer=scorer).compress_documents(documents, ASKED)) == 3
    assert compressor.compress_documents([], ASKED) == []
    with pytest.raises(ValueError, match="top_n"):
        CappyCompressor(scorer=scorer, top_n=0)


def test_a_retriever_and_the_compressor_in_one_chain(scorer: cappy.Scorer, ranking: cappy.Ranking) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough
    from langchain_core.vectorstores import InMemoryVectorStore

    from cappy.integrations.langchain import CappyCompressor

    store = InMemoryVectorStore.from_texts(TEXTS, DeterministicFakeEmbedding(size=8))
    compressor = CappyCompressor(scorer=scorer, top_n=1)
    found = {"documents": store.as_retriever(search_kwargs={"k": 3}), "query": RunnablePassthrough()} | RunnableLambda(
        lambda given: compressor.compress_documents(given["documents"], given["query"])
    )
    assert [one.page_content for one in found.invoke(ASKED)] == [ranking.best.text]


def test_best_of_n_of_a_chat_model_and_of_a_chain(scorer: cappy.Scorer) -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from cappy.integrations.langchain import CappyBestOfN

    model = FakeListChatModel(responses=TEXTS)
    best = CappyBestOfN(bound=model, scorer=scorer, n=3, selector="cappy")
    for given in (ASKED, [("user", ASKED)], ChatPromptTemplate.from_messages([("user", ASKED)]).invoke({})):
        message = best.invoke(given)
        assert message.content == "positive" and message.id  # the message as the model gave it
    assert asyncio.run(best.ainvoke(ASKED)).content == "positive"
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()
    inside = CappyBestOfN(bound=chain, scorer=scorer, n=3, selector="cappy") | (lambda text: text.upper())
    assert inside.invoke({"question": ASKED}) == "POSITIVE"
    assert inside.batch([{"question": ASKED}] * 2) == ["POSITIVE"] * 2


def test_runs_that_fail_cost_nothing(scorer: cappy.Scorer) -> None:
    from langchain_core.runnables import RunnableLambda

    from cappy.integrations.langchain import CappyBestOfN

    calls: list[str] = []

    def sometimes(text: str) -> str:
        calls.append(text)
        if len(calls) % 2:
            raise RuntimeError("busy")
        return TEXTS[1]

    best = CappyBestOfN(bound=RunnableLambda(sometimes), scorer=scorer, n=4)
    assert best.invoke(ASKED) == TEXTS[1] and len(calls) == 4

    def never(text: str) -> str:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        CappyBestOfN(bound=RunnableLambda(never), scorer=scorer, n=2).invoke(ASKED)


def test_what_cannot_be_judged_is_refused(scorer: cappy.Scorer) -> None:
    from langchain_core.runnables import RunnableLambda

    from cappy.integrations.langchain import CappyBestOfN

    numbers = CappyBestOfN(bound=RunnableLambda(len), scorer=scorer, n=2)
    with pytest.raises(cappy.InputError, match="StrOutputParser"):
        numbers.invoke(ASKED)
    echo = RunnableLambda(lambda given: given["b"])
    with pytest.raises(cappy.InputError, match="give CappyBestOfN `instruction`"):
        CappyBestOfN(bound=echo, scorer=scorer).invoke({"a": "x", "b": "y"})
    named = CappyBestOfN(bound=echo, scorer=scorer, n=2, instruction=lambda given: given["a"])
    assert named.invoke({"a": "x", "b": "y"}) == "y"
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        CappyBestOfN(bound=echo, scorer=scorer, n=0)


def test_the_page_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    run_block("CappyCompressor(", capsys)
    run_block("CappyBestOfN(", capsys, model=FakeListChatModel(responses=TEXTS))
