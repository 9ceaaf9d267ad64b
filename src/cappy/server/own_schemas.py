"""The bodies of the routes that only Cappy has: `/rank` and `/explain`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from cappy.server.schemas import Text, Texts, Usage, example

ASKED = "The soup was cold and nobody apologised.\nIs this review positive or negative?"
MOST_SPANS = 256
"""Every span is one more text to score, so that the request cannot ask for as many as it likes."""


class CutTokens(BaseModel):
    """How many tokens were left out so that the pair fits the scorer's limit."""

    instruction: int
    response: int


class RankRequest(BaseModel):
    """An instruction, its candidates, and how many of the best to return (all unless given)."""

    model_config = example({"instruction": ASKED, "candidates": ["positive", "negative"]})

    model: Text | None = None
    instruction: Text
    candidates: Texts
    top_k: Annotated[int, Field(ge=1)] | None = None


class RankedItem(BaseModel):
    """One candidate: its place in the request, its text, its score, what was cut."""

    index: int
    text: str
    score: float
    cut: CutTokens


class RankResponse(BaseModel):
    """Candidates from best to worst; ties keep the request's order."""

    id: str
    model: str
    items: list[RankedItem]
    usage: Usage


class ExplainRequest(BaseModel):
    """An instruction, one response, and into how many spans each may be taken apart."""

    model_config = example({"instruction": ASKED, "response": "negative"})

    model: Text | None = None
    instruction: Text
    response: Text
    limit: Annotated[int, Field(ge=1, le=MOST_SPANS)] = 64


class SpanEffect(BaseModel):
    """A span of a text, in Unicode code points, and how much it moved the score: positive where it raised it."""

    start: int
    end: int
    text: str
    effect: float


class ExplainResponse(BaseModel):
    """The score, what was cut for it, and the spans of both texts in their order."""

    id: str
    model: str
    score: float
    cut: CutTokens
    instruction: list[SpanEffect]
    response: list[SpanEffect]
    usage: Usage
