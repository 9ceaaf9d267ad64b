"""Every dialect over a real socket, by real clients where they install here, against offline scores."""

from __future__ import annotations

import cohere
import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient

import cappy

ASKED = "Which sea does the Danube flow into?"
TEXTS = ["the Baltic Sea", "the Black Sea", "a lake in Austria"]


@pytest.fixture(scope="module")
def scorer() -> cappy.Scorer:
    return cappy.load("mini")


def near(one: float) -> object:
    return pytest.approx(one, abs=1e-4)


def test_vllm_scores(server: str, scorer: cappy.Scorer) -> None:
    for path in ("/score", "/v1/score"):
        answer = httpx.post(server + path, json={"text_1": ASKED, "text_2": TEXTS}).json()
        assert [item["index"] for item in answer["data"]] == [0, 1, 2]
        assert np.allclose([item["score"] for item in answer["data"]], scorer.score(ASKED, TEXTS), atol=1e-4)
    pairs = {"text_1": ["Is it hot?", ASKED], "text_2": ["Yes", TEXTS[1]]}
    answer = httpx.post(server + "/score", json=pairs).json()
    assert answer["data"][1]["score"] == near(scorer.score(ASKED, TEXTS[1]))
    wrong = httpx.post(server + "/score", json={"text_1": ["a", "b"], "text_2": ["c"]})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["type"] == "UnprocessableEntityError"
    assert httpx.get(server + "/v1/models").json()["data"][0]["id"] == "cappy-mini"


def test_cohere_client(server: str, scorer: cappy.Scorer) -> None:
    ranking = scorer.rank(ASKED, TEXTS)
    second = cohere.ClientV2("key", base_url=server).rerank(model="rerank-v3.5", query=ASKED, documents=TEXTS, top_n=2)
    assert [item.index for item in second.results] == [item.index for item in ranking][:2]
    assert second.results[0].relevance_score == near(ranking.best.score)
    body = {"query": ASKED, "documents": [{"text": text} for text in TEXTS], "return_documents": True}
    first = httpx.post(server + "/v1/rerank", json=body).json()
    assert [item["document"]["text"] for item in first["results"]] == [item.text for item in ranking]
    with pytest.raises(cohere.UnprocessableEntityError):
        cohere.ClientV2("key", base_url=server).rerank(model="m", query=ASKED, documents=[])


def test_text_embeddings_inference(server: str, scorer: cappy.Scorer) -> None:
    ranking = scorer.rank(ASKED, TEXTS)
    body = {"query": ASKED, "texts": TEXTS, "raw_scores": True, "return_text": True}
    answer = httpx.post(server + "/rerank", json=body).json()
    assert [(item["index"], item["text"]) for item in answer] == [(item.index, item.text) for item in ranking]
    assert "text" not in httpx.post(server + "/rerank", json={"query": ASKED, "texts": TEXTS}).json()[0]
    long = {"query": ASKED, "texts": ["word " * 2000]}
    refused = httpx.post(server + "/rerank", json=long)
    assert (refused.status_code, refused.json()["error_type"]) == (413, "Validation")
    assert httpx.post(server + "/rerank", json={**long, "truncate": True}).status_code == 200
    other = httpx.post(server + "/rerank", json={"query": ASKED, "documents": TEXTS, "top_n": 1}).json()
    assert [(item["index"], item["relevance_score"]) for item in other["results"]] == [
        (ranking.best.index, near(ranking.best.score))
    ]
    one = httpx.post(server + "/predict", json={"inputs": [ASKED, TEXTS[0]], "raw_scores": True}).json()
    two = httpx.post(server + "/predict", json={"inputs": [[ASKED, text] for text in TEXTS], "raw_scores": True}).json()
    assert one == [{"score": near(scorer.score(ASKED, TEXTS[0])), "label": "LABEL_0"}]
    assert [item[0]["score"] for item in two] == [near(score) for score in scorer.score(ASKED, TEXTS)]


def test_classify_equals_the_classifier(server: str, scorer: cappy.Scorer) -> None:
    choices, template = ["negative", "positive"], "{text}\nIs this review positive or negative?"
    texts = ["The soup was cold.", "A lovely evening {choices}."]
    body = {"input": texts, "choices": choices, "instruction": template}
    data = httpx.post(server + "/classify", json=body).json()["data"]
    offline = cappy.Classifier(choices, template, scorer=scorer)
    assert np.allclose([item["probs"] for item in data], offline.predict_proba(texts), atol=2e-3)
    assert [item["label"] for item in data] == offline.predict(texts).tolist()


def test_hugging_face_client(server: str, scorer: cappy.Scorer) -> None:
    choices = ["sports", "politics", "food"]
    client = InferenceClient(model=server + "/zero-shot-classification")
    found = client.zero_shot_classification("They won the match in the last minute.", choices)
    offline = cappy.Classifier(choices, scorer=scorer).predict(["They won the match in the last minute."])
    assert found[0].label == offline[0]
    assert sum(item.score for item in found) == near(1.0)
