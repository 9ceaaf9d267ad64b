"""The bodies of Cappy's own routes, `/rank` and `/explain`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from cappy.server.schemas import Text, Texts, Usage, example

ASKED = "The soup was cold and nobody apologised.\nIs this review positive or negative?"
MOST_SPANS = 256
"""Each span is one more text to score, so the number is limited."""


class CutTokens(BaseModel):
    """The number of tokens cut so that the pair fits the scorer's limit."""

    instruction: int
    response: int


class RankRequest(BaseModel):
    """An instruction, its candidates, and how many of the best to return (default: all)."""

    model_config = example({"instruction": ASKED, "candidates": ["positive", "negative"]})

    model: Text | None = None
    instruction: Text
    candidates: Texts
    top_k: Annotated[int, Field(ge=1)] | None = None


class RankedItem(BaseModel):
    """One candidate: its index in the request, text, score, and what was cut."""

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
    """An instruction, a response, and the maximum number of spans for each."""

    model_config = example({"instruction": ASKED, "response": "negative"})

    model: Text | None = None
    instruction: Text
    response: Text
    limit: Annotated[int, Field(ge=1, le=MOST_SPANS)] = 64


class SpanEffect(BaseModel):
    """A span of a text, in Unicode code points, and its effect on the score; positive effects raise it."""

    start: int
    end: int
    text: str
    effect: float


class ExplainResponse(BaseModel):
    """The score, what was cut, and the spans of both texts in order."""

    id: str
    model: str
    score: float
    cut: CutTokens
    instruction: list[SpanEffect]
    response: list[SpanEffect]
    usage: Usage
