"""Rerankers' real clients, as their users call them, against a real server: `make test-clients` installs them."""

from __future__ import annotations

import pytest

import cappy

pytestmark = pytest.mark.clients
ASKED = "Which sea does the Danube flow into?"
TEXTS = ["the Baltic Sea", "the Black Sea", "a lake in Austria"]


@pytest.fixture(scope="module")
def ranking() -> cappy.Ranking:
    return cappy.load("mini").rank(ASKED, TEXTS)


def same(found: list[tuple[int, float]], ranking: cappy.Ranking) -> None:
    """Check (index, score) pairs against the offline ranking, as many as the client asked for."""
    assert [index for index, _ in found] == [item.index for item in ranking][: len(found)]
    assert [score for _, score in found] == [pytest.approx(item.score, abs=1e-4) for item in ranking][: len(found)]


@pytest.mark.parametrize(
    ("provider", "base"),
    [
        ("cohere", ""),
        ("cohere", "/v2/rerank"),
        ("jina_ai", ""),
        ("hosted_vllm", ""),
        ("hosted_vllm", "/v1"),
        ("infinity", ""),
        ("infinity", "/v1"),
    ],
)
def test_litellm(server: str, ranking: cappy.Ranking, provider: str, base: str) -> None:
    litellm = pytest.importorskip("litellm")
    asked = {"model": f"{provider}/cappy-mini", "query": ASKED, "documents": TEXTS, "top_n": 2}
    found = litellm.rerank(**asked, api_base=server + base, api_key="key", return_documents=False)
    same([(item["index"], item["relevance_score"]) for item in found.results], ranking)
    assert len(found.results) == 2
    if provider != "infinity":  # which gives documents as strings, where Cohere and vLLM give objects, as this server
        found = litellm.rerank(**asked, api_base=server + base, api_key="key", return_documents=True)
        assert found.results[0]["document"]["text"] == ranking.best.text


@pytest.mark.parametrize(
    ("provider", "path"), [("cohere", "/v1/rerank"), ("jina", "/v1/rerank"), ("text-embeddings-inference", "/rerank")]
)
def test_rerankers(server: str, ranking: cappy.Ranking, provider: str, path: str) -> None:
    api = pytest.importorskip("rerankers.models.api_rankers")
    found = api.APIRanker("cappy-mini", "key", provider, url=server + path).rank(ASKED, TEXTS)
    shown = [min(1.0, max(0.0, item.score)) for item in ranking]  # text-embeddings-inference's are in [0, 1]
    assert [item.document.text for item in found] == [item.text for item in ranking]
    if path == "/rerank":
        assert [item.score for item in found] == [pytest.approx(score, abs=1e-4) for score in shown]
    else:
        same([(item.document.doc_id, item.score) for item in found], ranking)


def test_langchain_cohere(server: str, ranking: cappy.Ranking) -> None:
    compressor = pytest.importorskip("langchain_cohere").CohereRerank(
        model="cappy-mini", base_url=server, cohere_api_key="key", top_n=2
    )
    documents = [pytest.importorskip("langchain_core.documents").Document(text) for text in TEXTS]
    found = compressor.compress_documents(documents, ASKED)
    numbers = [(TEXTS.index(one.page_content), one.metadata["relevance_score"]) for one in found]
    assert len(numbers) == 2
    same(numbers, ranking)


def test_langchain_jina(server: str, ranking: cappy.Ranking, monkeypatch: pytest.MonkeyPatch) -> None:
    jina = pytest.importorskip("langchain_community.document_compressors.jina_rerank")
    monkeypatch.setattr(jina, "JINA_API_URL", server + "/v1/rerank")  # the class has no option for the address
    found = jina.JinaRerank(jina_api_key="key").rerank(TEXTS, ASKED)
    same([(item["index"], item["relevance_score"]) for item in found], ranking)


def test_langchain_infinity(server: str, ranking: cappy.Ranking) -> None:
    client = pytest.importorskip("infinity_client.client").Client(base_url=server)
    infinity = pytest.importorskip("langchain_community.document_compressors.infinity_rerank")
    found = infinity.InfinityRerank(client=client, model="cappy-mini").rerank(TEXTS, ASKED)
    same([(item["index"], item["relevance_score"]) for item in found], ranking)


@pytest.mark.parametrize("name", ["cohere", "jinaai", "tei"])
def test_llama_index(server: str, ranking: cappy.Ranking, name: str) -> None:
    module = pytest.importorskip(f"llama_index.postprocessor.{name}_rerank")
    schema = pytest.importorskip("llama_index.core.schema")
    if name == "cohere":
        reranker = module.CohereRerank(model="cappy-mini", api_key="key", base_url=server, top_n=2)
    elif name == "jinaai":
        reranker = module.JinaRerank(model="cappy-mini", api_key="key", base_url=server + "/v1", top_n=2)
    else:
        reranker = module.TextEmbeddingInference(base_url=server, top_n=2)
    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.0) for text in TEXTS]
    found = reranker.postprocess_nodes(nodes, query_str=ASKED)
    assert len(found) == 2
    same([(TEXTS.index(one.node.text), one.score) for one in found], ranking)


def test_cohere(server: str, ranking: cappy.Ranking) -> None:
    cohere = pytest.importorskip("cohere")
    for client in (cohere.ClientV2("key", base_url=server), cohere.Client("key", base_url=server)):
        found = client.rerank(model="rerank-v3.5", query=ASKED, documents=TEXTS)
        same([(item.index, item.relevance_score) for item in found.results], ranking)
