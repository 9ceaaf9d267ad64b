"""`/v1/rerank` and `/v2/rerank` as in Cohere, Jina and vLLM; `/rerank` and `/predict` as in TEI.

vLLM and Infinity also have `/rerank`; their requests use `documents`, those of text-embeddings-inference `texts`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Discriminator, Tag

from cappy.server.cancellation import while_connected
from cappy.server.engine import Engine
from cappy.server.error_schemas import CohereError, InferenceError, declared
from cappy.server.schemas import (
    Document,
    InferenceRerankRequest,
    Prediction,
    PredictRequest,
    Rank,
    RerankItem,
    RerankRequest,
    RerankResponse,
)


def shown(score: float, raw: bool) -> float:
    """Return a score as text-embeddings-inference's clients expect it: clipped to [0, 1] unless `raw` is set.

    Scores already lie between about 0 and 1; the sigmoid that TEI applies would compress them.
    """
    return score if raw else min(1.0, max(0.0, score))


def dialect(body: Any) -> str:
    """Detect the API of a `/rerank` request: "documents" (vLLM, Infinity) or "texts" (text-embeddings-inference)."""
    return "documents" if isinstance(body, dict) and "documents" in body and "texts" not in body else "texts"


EitherRerankRequest = Annotated[
    Annotated[InferenceRerankRequest, Tag("texts")] | Annotated[RerankRequest, Tag("documents")], Discriminator(dialect)
]


def reranking_routes(engine: Engine) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["rerank"])

    @router.post("/v1/rerank", response_model_exclude_none=True, responses=declared(CohereError))
    @router.post("/v2/rerank", response_model_exclude_none=True, responses=declared(CohereError))
    async def rerank(body: RerankRequest, request: Request) -> RerankResponse:
        """Rank documents from best to worst; `top_n` keeps the first (0 or none: all)."""
        return await documents(body, request)

    async def documents(body: RerankRequest, request: Request) -> RerankResponse:
        texts = [one if isinstance(one, str) else one.text for one in body.documents]
        scored = await while_connected(request, engine.score(body.model, [(body.query, texts)]))
        group = scored.groups[0]
        results = [
            RerankItem(
                index=place,
                relevance_score=group.scores[place],
                document=Document(text=texts[place]) if body.return_documents else None,
            )
            for place in group.order()[: body.top_n or None]
        ]
        version = "1" if request.url.path.startswith("/v1") else "2"
        meta: dict[str, dict[str, str | int]] = {"api_version": {"version": version}}
        return RerankResponse(
            id=request.state.id,
            model=scored.model,
            results=results,
            usage={"prompt_tokens": scored.tokens, "total_tokens": scored.tokens},
            meta={**meta, "billed_units": {"search_units": 0}},
        )

    @router.post("/rerank", response_model_exclude_none=True, responses=declared(InferenceError))
    async def rank(body: EitherRerankRequest, request: Request) -> list[Rank] | RerankResponse:
        """Rank texts from best to worst, as a bare list; texts over the limit are refused unless `truncate` is set.

        A request with `documents` gets the response of `/v1/rerank`.
        """
        if isinstance(body, RerankRequest):
            return await documents(body, request)
        work = engine.score(None, [(body.query, body.texts)], truncate=bool(body.truncate))
        group = (await while_connected(request, work)).groups[0]
        return [
            Rank(
                index=place,
                text=body.texts[place] if body.return_text else None,
                score=shown(group.scores[place], body.raw_scores),
            )
            for place in group.order()
        ]

    @router.post("/predict", responses=declared(InferenceError))
    async def predict(body: PredictRequest, request: Request) -> list[Prediction] | list[list[Prediction]]:
        """Score one pair, or several."""
        single = isinstance(body.inputs[0], str)
        pairs = [body.inputs] if single else body.inputs
        groups = [(str(pair[0]), [str(pair[1])]) for pair in pairs]
        scored = await while_connected(request, engine.score(None, groups, truncate=bool(body.truncate)))
        answers = [[Prediction(score=shown(group.scores[0], body.raw_scores))] for group in scored.groups]
        return answers[0] if single else answers

    return router
