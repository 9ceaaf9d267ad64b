"""Best of n for one conversation: sample from the language model, score with the engine, choose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cappy.boost import ROUND
from cappy.calibration.combined import Selection
from cappy.errors import InputError
from cappy.llm.decoding import Decoding
from cappy.llm.model import Sample
from cappy.llm.openai_protocol import read_samples
from cappy.selection.selectors import SELECTORS, Pool, find_selector, ranked
from cappy.selection.stopping import DEFAULT_RULE
from cappy.server.engine import Engine
from cappy.server.errors import RequestError
from cappy.server.proxy.options import Wishes
from cappy.server.proxy.upstream import UpstreamError
from cappy.text.conversation import text_of_choice

Draw = Callable[[Mapping[str, Any], int, int], Awaitable[tuple[list[dict[str, Any]], list[UpstreamError]]]]
"""(request fields to override, number of samples, number drawn before) to (answers, errors)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The result of best of n.

    `choices` are the protocol's choices, unchanged; `texts` are their scored texts. `values` [choices] are the
    selector's, NaN if it gives none, and empty if there was nothing to choose. `order` lists indices, best first.
    """

    answers: list[dict[str, Any]]
    choices: list[dict[str, Any]]
    texts: list[str]
    scores: list[float]
    values: list[float]
    order: list[int]
    asked: int
    failed: int
    errors: list[UpstreamError]
    scorer: str = ""


async def best_of(instruction: str, wishes: Wishes, kept: int, draw: Draw, engine: Engine, greedy: bool) -> Chosen:
    """Sample and choose.

    Args:
        instruction: what the samples answer.
        wishes: how to sample and choose.
        kept: how many of the best to return; at least as many are sampled.
        draw: asks the language model.
        engine: scores.
        greedy: whether the request samples deterministically, so that one sample per choice is enough.

    Raises:
        RequestError: sampling failed (the language model's own error), or scoring was refused.

    """
    name = wishes.selector or await engine.usual_selector(wishes.scorer)
    wishes = wishes.model_copy(update={"selector": name})
    rounds = list(_rounds(wishes, kept, greedy))
    asked = sum(count for _, count in rounds)
    found = _Found(instruction, wishes, engine)
    scoring = find_selector(name).scores or wishes.adaptive or wishes.candidates
    for fields, count in rounds:
        answers, errors = await draw(fields, count, len(found.choices))
        found.add(answers, errors, count)
        if errors and not found.choices:
            raise errors[0]
        if wishes.adaptive and len(found.choices) >= max(ROUND, kept):
            await found.score()
            if await engine.aside(DEFAULT_RULE.stops, found.pool()):
                break
    if scoring and (len(found.choices) > 1 or wishes.candidates):
        await found.score()
    return await found.choose(asked)


class _Found:
    """The samples so far and their scores; each distinct text is scored once."""

    def __init__(self, instruction: str, wishes: Wishes, engine: Engine) -> None:
        self._instruction, self._wishes, self._engine = instruction, wishes, engine
        self.answers: list[dict[str, Any]] = []
        self.choices: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.errors: list[UpstreamError] = []
        self.failed = 0
        self._scores: dict[str, float] = {}
        self._scorer = ""
        self._selection: Selection | None = None
        self._learnt: tuple[float, ...] = ()

    def add(self, answers: Sequence[dict[str, Any]], errors: Sequence[UpstreamError], wanted: int) -> None:
        choices = [choice for answer in answers for choice in answer["choices"]][:wanted]
        self.answers += answers
        self.choices += choices
        self.texts += [text_of_choice(choice) for choice in choices]
        self.errors += errors
        self.failed += max(0, wanted - len(choices))

    async def score(self) -> None:
        new = [text for text in dict.fromkeys(self.texts) if text not in self._scores]
        if new:
            scored = await self._engine.score(self._wishes.scorer, [(self._instruction, new)], inside=True)
            self._scores |= dict(zip(new, scored.groups[0].scores, strict=True))
            self._scorer, self._selection = scored.model, scored.selection
        if self._wishes.selector == "learnt" and len(self._learnt) < len(self.texts):
            self._learnt = await self._engine.learnt(self._wishes.scorer, self.pool())

    def pool(self) -> Pool:
        samples = [_sample(choice, text) for choice, text in zip(self.choices, self.texts, strict=True)]
        scores = tuple(self._scores[text] for text in self.texts) if self._scores else ()
        return Pool(self._instruction, tuple(samples), scores, self._selection, self._learnt)

    async def choose(self, asked: int) -> Chosen:
        order, values, pool = list(range(len(self.choices))), [], self.pool()
        if len(order) > 1 or pool.scores:
            found = await self._engine.aside(SELECTORS[self._wishes.selector or "cappy"], pool)
            try:
                order = ranked(found, self.texts)
            except InputError as problem:
                name = self._wishes.selector
                raise RequestError(
                    422, f"selector {name!r} needs log-likelihoods: request logprobs, or use another selector."
                ) from problem
            values = [float(value) for value in found]
        return Chosen(
            self.answers,
            self.choices,
            self.texts,
            list(pool.scores),
            values,
            order,
            asked,
            self.failed,
            self.errors,
            self._scorer,
        )


def _sample(choice: Mapping[str, Any], text: str) -> Sample:
    """Read a choice's log-likelihood, if it has one."""
    try:
        return replace(read_samples({"choices": [choice]}, "sampling")[0], text=text)
    except (ValueError, InputError):
        return Sample(text, "sampling")


def _rounds(wishes: Wishes, kept: int, greedy: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield one pair per round: fields that override the request's own, and the number of samples."""
    plan = wishes.decodings()
    parts = [(_fields(one), one.count) for one in plan]
    if not plan:
        parts = [({}, kept if greedy else max(wishes.n, kept))]
    for fields, count in parts:
        step = max(ROUND, kept) if wishes.adaptive else count
        for start in range(0, count, step):
            yield fields, min(step, count - start)


def _fields(decoding: Decoding) -> dict[str, Any]:
    """Return the request fields for a decoding, without those that have no effect."""
    fields: dict[str, Any] = {"temperature": decoding.temperature, "top_p": decoding.top_p}
    return {**fields, "top_k": decoding.top_k} if decoding.top_k else fields
