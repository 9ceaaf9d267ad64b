"""The bodies of chat and completion requests: the fields read here; all others pass through."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cappy.server.schemas import Text

MOST_KEPT = 128
"""OpenAI's limit of `n`."""


class SampledRequest(BaseModel):
    """The fields that chat and completion requests share."""

    model_config = ConfigDict(extra="allow")

    model: Text | None = None
    n: Annotated[int, Field(ge=1, le=MOST_KEPT, description="How many of the best to return.")] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    cappy: Annotated[dict[str, Any] | None, Field(description="How to choose; see the documentation.")] = None


class ChatRequest(SampledRequest):
    """OpenAI's chat completion request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"messages": [{"role": "user", "content": "Name a sea."}], "cappy": {"n": 4}}]}
    )

    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]


class CompletionRequest(SampledRequest):
    """OpenAI's older completion request; prompts are texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "The Danube flows into", "cappy": {"n": 4}}]})

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=64)]
