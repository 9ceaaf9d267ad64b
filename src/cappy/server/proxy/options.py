"""Best-of-n options of a request: the server's defaults, overridden by the field `cappy`, then by headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cappy.errors import InputError
from cappy.llm.decoding import Decoding, parse_plan
from cappy.selection.selectors import SELECTORS
from cappy.server.errors import RequestError

HEADER = "x-cappy-"
OFFERED = tuple(name for name, selector in SELECTORS.items() if not selector.plan)
"""Selectors that need no greedy or beam output among the samples."""


class Wishes(BaseModel):
    """Options of a request, in its field `cappy` or in headers such as `X-Cappy-N`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=1, description="Samples to choose among; default: the server's setting.")] = 8
    plan: Annotated[
        str, Field(description="Decodings that replace the request's own, like 'temp0.7*4,topk40*4'; sets n.")
    ] = ""
    selector: Annotated[
        str | None,
        Field(
            description=f"How to choose: {', '.join(OFFERED)}. Default: learnt if the scorer has a learnt "
            "selector, else combined if its checkpoint has weights for it, else cappy."
        ),
    ] = None
    scorer: Annotated[str | None, Field(description="A scorer's name; default: the first.")] = None
    adaptive: Annotated[bool, Field(description="Sample in rounds; stop once more samples would hardly help.")] = False
    candidates: Annotated[bool, Field(description="Return all candidates with their scores.")] = False

    @field_validator("selector")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value not in (None, *OFFERED):
            raise ValueError(f"selector {value!r} is unknown; the selectors are {', '.join(OFFERED)}")
        return value

    @field_validator("plan")
    @classmethod
    def _readable(cls, value: str) -> str:
        decodings_of(value)
        return value

    def decodings(self) -> tuple[Decoding, ...]:
        """Return the plan; empty if the request's own sampling applies."""
        return decodings_of(self.plan)

    def samples(self, kept: int) -> int:
        """Return the number of samples for a prompt: the plan's, or the larger of `n` and `kept`."""
        return sum(one.count for one in self.decodings()) or max(self.n, kept)


def decodings_of(plan: str) -> tuple[Decoding, ...]:
    """Read a plan that other servers can follow: without beam search, which the protocol does not have.

    Raises:
        ValueError: the plan is invalid.

    """
    if not plan:
        return ()
    try:
        found = parse_plan(plan)
    except InputError as error:
        raise ValueError(str(error)) from error
    if any(one.beams > 1 for one in found):
        raise ValueError("the OpenAI protocol has no beam search; leave it out of the plan")
    return found


def read_wishes(defaults: Wishes, body: Any, headers: Mapping[str, str], most: int, kept: int = 1) -> Wishes:
    """Combine defaults, the body's field `cappy` and headers; `kept` answers are wanted.

    Raises:
        RequestError: 422, an option is invalid, over `most` samples are requested, or the plan has too few.

    """
    said = dict(body or {})
    for name in Wishes.model_fields:
        if HEADER + name in headers:
            said[name] = headers[HEADER + name]
    try:
        wishes = Wishes.model_validate({**defaults.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RequestError(422, f"cappy.{place}: {first['msg']}.") from error
    count = wishes.samples(kept)
    if count < kept:
        raise RequestError(422, f"n is {kept}, but the plan has only {count} samples.")
    if count > most:
        raise RequestError(422, f"{count} samples are requested; the limit is {most}.")
    return wishes
