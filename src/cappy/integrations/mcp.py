"""A server of the Model Context Protocol: agents rank, classify and choose the best of n with tools.

`cappy mcp` runs it over standard input and output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import cappy
from cappy.boost import BestOfN
from cappy.classifier import Classifier
from cappy.errors import CappyError, InputError, MissingExtraError
from cappy.integrations.given import best_of_given

try:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import ToolAnnotations
    from pydantic import Field, ValidationError
except ImportError as error:
    raise MissingExtraError("the MCP server", "mcp") from error

if TYPE_CHECKING:
    from cappy.llm.model import LanguageModel
    from cappy.scorer import Scorer

ABOUT = """Cappy is a small scorer that judges offline how correct candidate responses to an instruction are. It knows
few facts and does not calculate: put the text that holds the answer into the instruction."""
MOST_SAMPLES = 64
"""Samples that one call may ask the language model for."""
LONGEST = 256
"""Tokens of a sample at most."""
_FAULTS = {
    "missing": "is required",
    "too_short": "at least {min_length} needed, {actual_length} given",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "string_type": "must be text",
}
"""What is wrong with an argument, by pydantic's name of the fault."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass
class ScoredResponse:
    """A response: its place in the list given, its text and its score, about 0 for wrong and about 1 for right."""

    index: int
    text: str
    score: float


@dataclass
class RankedResponses:
    """Responses from best to worst."""

    results: list[ScoredResponse]


@dataclass
class ClassifiedText:
    """The choice for a text, and the probability of every choice, in [0, 1]."""

    label: str
    probabilities: dict[str, float]


@dataclass
class ClassifiedTexts:
    """One entry a text, in their order."""

    results: list[ClassifiedText]


@dataclass
class BestResponse:
    """The best response, and all from best to worst; `selector` names what their scores are."""

    best: str
    selector: str
    samples: list[ScoredResponse]


class Tools:
    """What the server offers; every method is a tool, its docstring what agents read."""

    def __init__(self, scorer: Scorer, llm: LanguageModel | None = None) -> None:
        """Score with `scorer`; `llm` draws the samples if an agent passes none."""
        self._scorer, self._llm = scorer, llm

    def rank(
        self,
        instruction: Annotated[str, Field(description="The question or task, with any text it is about.")],
        candidates: Annotated[list[str], Field(description="Candidate responses.", min_length=1)],
        top_k: Annotated[int | None, Field(description="Return only the best K.", ge=1)] = None,
    ) -> RankedResponses:
        """Order candidate responses to an instruction from best to worst.

        A score of about 0 means wrong, about 1 right. Put any text that holds the answer into the instruction.
        """
        ranking = self._scorer.rank(instruction, candidates, top_k)
        return RankedResponses([ScoredResponse(item.index, item.text, item.score) for item in ranking])

    def classify(
        self,
        texts: Annotated[list[str], Field(description="Texts to classify.", min_length=1)],
        choices: Annotated[list[str], Field(description="The classes, in plain words.", min_length=2)],
        instruction: Annotated[
            str, Field(description="A question with {text} where the text goes; {choices} lists the classes.")
        ] = "{text}",
    ) -> ClassifiedTexts:
        """Choose one of several classes for each text, without examples."""
        classifier = Classifier(choices, instruction, scorer=self._scorer).fit()
        shares = classifier.predict_proba(texts).tolist()
        names = [str(name) for name in classifier.classes_]
        found = [dict(zip(names, row, strict=True)) for row in shares]
        return ClassifiedTexts([ClassifiedText(max(one, key=lambda name: one[name]), one) for one in found])

    def best_of_n(
        self,
        instruction: Annotated[str, Field(description="The question or task that the samples answer.")],
        samples: Annotated[
            list[str] | None,
            Field(description="Responses to choose from. Unless given, the server samples its language model."),
        ] = None,
        n: Annotated[int, Field(description="Number of samples to draw.", ge=1, le=MOST_SAMPLES)] = 8,
    ) -> BestResponse:
        """Return the best of several sampled responses, by score, agreement among them and form."""
        if samples is not None:
            result = best_of_given(self._scorer, instruction, samples)
        elif self._llm is not None:
            result = BestOfN(self._llm, self._scorer, n, max_tokens=LONGEST)(instruction)
        else:
            raise InputError("give `samples`, or start the server with a language model: cappy mcp --llm NAME.")
        ordered = [ScoredResponse(k, result.samples[k].text, result.values[k]) for k in result.order]
        return BestResponse(result.best, result.selector, ordered)


class ToolServer(MCPServer):
    """A server that tells an agent in a sentence which of its arguments is wrong."""

    async def call_tool(self, name: str, arguments: dict[str, Any], *rest: Any) -> Any:
        """Call a tool by name with arguments.

        Raises:
            ToolError: there is no such tool, or it cannot use the arguments.

        """
        try:
            return await super().call_tool(name, arguments, *rest)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(faults(error.__cause__)) from error.__cause__
            raise


def faults(error: ValidationError) -> str:
    """Return a sentence about every argument that cannot be used."""
    return " ".join(
        f"{'.'.join(map(str, one['loc']))}: "
        f"{_FAULTS.get(one['type'], '{msg}').format(**{'msg': one['msg'], **one.get('ctx', {})})}."
        for one in error.errors()
    )


def build(scorer: Scorer, llm: LanguageModel | None = None) -> MCPServer:
    """Return the server with its tools; `run()` serves standard input and output until they are closed."""
    server = ToolServer("cappy", instructions=ABOUT, version=cappy.__version__, log_level="WARNING")
    tools = Tools(scorer, llm)
    for tool, outside in ((tools.rank, False), (tools.classify, False), (tools.best_of_n, llm is not None)):
        server.add_tool(_refusing(tool), annotations=ToolAnnotations(read_only_hint=True, open_world_hint=outside))
    return server


def _refusing(tool: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Hand what a caller can put right on to the agent, in its own words."""

    @wraps(tool)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        try:
            return tool(*args, **kwargs)
        except CappyError as error:
            raise ToolError(str(error)) from error

    return run
