"""`/rank` returns scores and what was cut; `/explain` tells which words moved a score."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter, Request

from cappy.explanation.occlusion import Effect, plan
from cappy.group import Cut, Ranking
from cappy.server.cancellation import while_connected
from cappy.server.engine import Engine
from cappy.server.error_schemas import declared
from cappy.server.errors import RequestError
from cappy.server.own_schemas import (
    CutTokens,
    ExplainRequest,
    ExplainResponse,
    RankedItem,
    RankRequest,
    RankResponse,
    SpanEffect,
)
from cappy.server.scoring import usage


def explaining_routes(engine: Engine) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["rank and explain"])

    @router.post("/rank", responses=declared())
    async def rank(body: RankRequest, request: Request) -> RankResponse:
        """Rank candidates from best to worst, with what was cut from each."""
        scored = await while_connected(request, engine.score(body.model, [(body.instruction, body.candidates)]))
        ranking = Ranking.of(body.instruction, body.candidates, scored.groups[0], body.top_k)
        return RankResponse(
            id=f"rank-{request.state.id}",
            model=scored.model,
            items=[RankedItem(index=i.index, text=i.text, score=i.score, cut=cut_tokens(i.cut)) for i in ranking],
            usage=usage(scored),
        )

    @router.post("/explain", responses=declared())
    async def explain(body: ExplainRequest, request: Request) -> ExplainResponse:
        """Return how much each word of the instruction and the response moved the score."""
        planned = await asyncio.to_thread(plan, body.instruction, body.response, body.limit)
        if planned.characters > engine.settings.body_bytes:
            raise RequestError(413, "the texts are too long for this many spans; lower `limit`.")
        scored = await while_connected(request, engine.score(body.model, planned.groups))
        explained = planned.explanation(scored.groups)
        return ExplainResponse(
            id=f"explain-{request.state.id}",
            model=scored.model,
            score=explained.score,
            cut=cut_tokens(explained.cut),
            instruction=[span_effect(one) for one in explained.instruction],
            response=[span_effect(one) for one in explained.response],
            usage=usage(scored),
        )

    return router


def cut_tokens(cut: Cut) -> CutTokens:
    """Return the cut in the format of the response."""
    return CutTokens(instruction=cut.instruction, response=cut.response)


def span_effect(effect: Effect) -> SpanEffect:
    """Return an effect in the format of the response."""
    return SpanEffect(**asdict(effect))
