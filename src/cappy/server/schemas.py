"""Request and response bodies, compatible with other servers' APIs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from cappy.text.normalization import repair

Text = Annotated[StrictStr, AfterValidator(repair)]
"""A text; lone surrogates become U+FFFD, because no response could contain them."""
QUESTION = "The soup was cold. Is this review positive or negative?"
"""The instruction of examples."""
Texts = Annotated[list[Text], Field(min_length=1)]
OneOrMore = Text | Texts


def example(body: dict[str, Any]) -> ConfigDict:
    """Return the model config that adds an example to a request's schema."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class ScoreRequest(BaseModel):
    """vLLM's request: `text_1` is one instruction or one per response, `text_2` the responses."""

    model_config = example({"text_1": QUESTION, "text_2": ["positive", "negative"]})

    model: Text | None = None
    text_1: OneOrMore
    text_2: OneOrMore


class Usage(BaseModel):
    """Tokens read; a shared instruction counts once."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class ScoreItem(BaseModel):
    """One score: about 0 is wrong, about 1 right."""

    index: int
    object: str = "score"
    score: float


class ScoreResponse(BaseModel):
    """vLLM's list of scores, in the order of `text_2`."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[ScoreItem]
    usage: Usage


class Document(BaseModel):
    """A document as an object."""

    text: Text


class RerankRequest(BaseModel):
    """The request of Cohere, Jina and vLLM."""

    model_config = example({"query": QUESTION, "documents": ["positive", "negative"], "top_n": 1})

    model: Text | None = None
    query: Text
    documents: Annotated[list[Text | Document], Field(min_length=1)]
    top_n: Annotated[int, Field(ge=0)] | None = None
    return_documents: bool | None = None


class RerankItem(BaseModel):
    """One document: its index in the request and its score."""

    index: int
    relevance_score: float
    document: Document | None = None


class RerankResponse(BaseModel):
    """Documents from best to worst; `usage` as in Jina and vLLM, `meta` as in Cohere."""

    id: str
    model: str
    results: list[RerankItem]
    usage: dict[str, int]
    meta: dict[str, dict[str, str | int]]


class InferenceRerankRequest(BaseModel):
    """text-embeddings-inference's request."""

    model_config = example({"query": QUESTION, "texts": ["positive", "negative"]})

    query: Text
    texts: Texts
    truncate: bool | None = False
    raw_scores: bool = False
    return_text: bool = False


class Rank(BaseModel):
    """One text of text-embeddings-inference's bare list."""

    index: int
    text: str | None = None
    score: float


Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]


class PredictRequest(BaseModel):
    """text-embeddings-inference's request: one pair [instruction, response], or a list of pairs."""

    model_config = example({"inputs": [[QUESTION, "positive"], [QUESTION, "negative"]]})

    inputs: Pair | Annotated[list[Pair], Field(min_length=1)]
    truncate: bool | None = False
    raw_scores: bool = False


class Prediction(BaseModel):
    """A score with the only label."""

    score: float
    label: str = "LABEL_0"


class ClassifyRequest(BaseModel):
    """vLLM's request, plus what a scorer needs: the choices, and an instruction that contains `{text}`."""

    model_config = example({"input": "The soup was cold.", "choices": ["good", "bad"]})

    model: Text | None = None
    input: OneOrMore
    choices: Annotated[list[Text], Field(min_length=2)]
    instruction: Text = "{text}"


class Classified(BaseModel):
    """The best choice for one text; `probs` and `scores` follow the order of the choices, `probs` sum to 1."""

    index: int
    label: str
    probs: list[float]
    scores: list[float]
    num_classes: int


class ClassifyResponse(BaseModel):
    """vLLM's list of classified texts."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Classified]
    usage: Usage


class ZeroShotParameters(BaseModel):
    """The parameters that Hugging Face's clients send with the text."""

    candidate_labels: Annotated[list[Text], Field(min_length=2)]
    hypothesis_template: Text | None = None
    multi_label: bool | None = None


class ZeroShotRequest(BaseModel):
    """Hugging Face's zero-shot classification request."""

    model_config = example({"inputs": "They won.", "parameters": {"candidate_labels": ["sports", "food"]}})

    inputs: Text
    parameters: ZeroShotParameters


class ZeroShotItem(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class ModelItem(BaseModel):
    """One scorer."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "cappy"
