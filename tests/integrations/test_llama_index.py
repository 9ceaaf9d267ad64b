"""LlamaIndex: nodes reranked, by themselves and in a retriever's pipeline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cappy
from tests.integrations.conftest import ASKED, TEXTS
from tests.integrations.page import run_block

pytest.importorskip("llama_index.core", reason="LlamaIndex is not installed: make test-neighbours")


@pytest.fixture
def nodes() -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text, metadata={"file": "review.txt"}), score=0.5) for text in TEXTS]


def test_nodes_are_reranked(scorer: cappy.Scorer, ranking: cappy.Ranking, nodes: list[Any]) -> None:
    from cappy.integrations.llama_index import CappyRerank

    rerank = CappyRerank(scorer=scorer, top_n=2)
    for found in (
        rerank.postprocess_nodes(nodes, query_str=ASKED),
        asyncio.run(rerank.apostprocess_nodes(nodes, query_str=ASKED)),
    ):
        assert [one.node.text for one in found] == [item.text for item in ranking][:2]
        assert [one.score for one in found] == pytest.approx(ranking.scores[:2])
    assert [one.score for one in nodes] == [0.5] * 3
    assert len(CappyRerank(scorer=scorer).postprocess_nodes(nodes, query_str=ASKED)) == 3
    assert rerank.postprocess_nodes([], query_str=ASKED) == []
    with pytest.raises(ValueError, match="top_n"):
        CappyRerank(scorer=scorer, top_n=0)
    assert rerank.to_dict()["class_name"] == "CappyRerank" and "scorer" not in rerank.to_dict()
    with pytest.raises(cappy.InputError, match="needs the query"):
        rerank.postprocess_nodes(nodes)


def test_metadata_is_read_where_that_is_asked_for(scorer: cappy.Scorer, nodes: list[Any]) -> None:
    from llama_index.core.schema import MetadataMode

    from cappy.integrations.llama_index import CappyRerank

    found = CappyRerank(scorer=scorer, metadata_mode=MetadataMode.ALL).postprocess_nodes(nodes[:1], query_str=ASKED)
    assert found[0].score == pytest.approx(scorer.score(ASKED, nodes[0].node.get_content(MetadataMode.ALL)))
    assert found[0].score != pytest.approx(scorer.score(ASKED, TEXTS[0]))


def test_a_query_engine_reranks_and_tells_of_it(scorer: cappy.Scorer, ranking: cappy.Ranking, nodes: list[Any]) -> None:
    from llama_index.core import MockEmbedding, VectorStoreIndex
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    from cappy.integrations.llama_index import CappyRerank

    told: list[str] = []

    class Listener(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            told.append(event.class_name())

    get_dispatcher().add_event_handler(Listener())
    index = VectorStoreIndex([one.node for one in nodes], embed_model=MockEmbedding(embed_dim=8))
    engine = RetrieverQueryEngine.from_args(
        index.as_retriever(similarity_top_k=3), llm=MockLLM(), node_postprocessors=[CappyRerank(scorer=scorer, top_n=1)]
    )
    assert [one.node.text for one in engine.query(ASKED).source_nodes] == [ranking.best.text]
    assert {"ReRankStartEvent", "ReRankEndEvent"} <= set(told)


def test_the_page_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    run_block("CappyRerank(", capsys)
