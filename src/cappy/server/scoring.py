"""`/score` and `/v1/score` as in vLLM."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request

from cappy.server.cancellation import while_connected
from cappy.server.engine import Engine, Scored
from cappy.server.error_schemas import declared
from cappy.server.errors import RequestError
from cappy.server.schemas import ScoreItem, ScoreRequest, ScoreResponse, Usage


def as_list(texts: str | list[str]) -> list[str]:
    """Return one or several texts as a list."""
    return [texts] if isinstance(texts, str) else texts


def usage(scored: Scored) -> Usage:
    """Return the number of tokens read."""
    return Usage(prompt_tokens=scored.tokens, total_tokens=scored.tokens)


def score_groups(request: ScoreRequest) -> list[tuple[str, list[str]]]:
    """Pair the texts: one instruction for all responses (one group), or one for each.

    Raises:
        RequestError: 422, the numbers of texts do not match.

    """
    first, second = as_list(request.text_1), as_list(request.text_2)
    if len(first) == 1:
        return [(first[0], second)]
    if len(first) != len(second):
        raise RequestError(422, f"text_1 has {len(first)} texts, text_2 {len(second)}; text_1 needs one, or as many.")
    return [(instruction, [response]) for instruction, response in zip(first, second, strict=True)]


def scoring_routes(engine: Engine) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["score"])

    @router.post("/score", responses=declared())
    @router.post("/v1/score", responses=declared())
    async def score(body: ScoreRequest, request: Request) -> ScoreResponse:
        """Score responses to an instruction: about 0 is wrong, about 1 is right."""
        scored = await while_connected(request, engine.score(body.model, score_groups(body)))
        values = [value for group in scored.groups for value in group.scores]
        return ScoreResponse(
            id=f"score-{request.state.id}",
            created=int(time.time()),
            model=scored.model,
            data=[ScoreItem(index=number, score=value) for number, value in enumerate(values)],
            usage=usage(scored),
        )

    return router
