"""Sampling for a store on a Ray cluster: endpoints sample, workers label, with backpressure between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cappy.data.sampling import StorePart, begin_sampling, draw_living, with_drawn
from cappy.data.shards import is_done, read_facts
from cappy.errors import InputError, LanguageModelError
from cappy.group import Group
from cappy.llm.decoding import Decoding
from cappy.llm.model import LanguageModel, Samples
from cappy.metrics.references import find_labeller
from cappy.scale.endpoints import Endpoints, shared_endpoints
from cappy.scale.pipeline import Stage, flow

LONGEST_WAIT = 60.0
"""Seconds between two rounds in which no endpoint answered; earlier waits are shorter."""
Drawn = tuple[StorePart, list[Group], list[list[Samples]]]


@dataclass(frozen=True, slots=True)
class Samplers:
    """The samplers of a job: one `LanguageModel` per endpoint, created by its call on the worker that needs it.

    There are at most `workers` samplers (None: one per endpoint) of `cpus` cores and `gpus` GPUs each; those that call
    servers need none. Sampling ends when no endpoint has answered in `rounds` rounds.
    """

    models: tuple[Callable[[], LanguageModel], ...]
    workers: int | None = None
    cpus: float = 0.0
    gpus: float = 0.0
    rounds: int = 6


def sample_on_cluster(
    store: Path,
    target: Path,
    samplers: Samplers,
    plan: Sequence[Decoding],
    labeller: str,
    facts: dict[str, Any],
    seed: int = 0,
    workers: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Sample like `cappy.data.sampling.sample_store`, on the cluster that this process has joined.

    `labeller` is a labeller's name; `workers` limits the labelling workers. All nodes see `store` and `target` under
    the same paths, and all endpoints serve the same model.

    Raises:
        InputError: as in `sample_store`, or the folders are not shared by all nodes.
        LanguageModelError: no endpoint answers; finished work is kept.

    """
    find_labeller(labeller)
    job = begin_sampling(store, target.resolve(), plan, facts, seed)
    todo = [part for part in job.parts if not is_done(part.target)]
    if advance:
        advance(sum(read_facts(part.target)["groups"] for part in job.parts if is_done(part.target)))
    with shared_endpoints(len(samplers.models)) as endpoints:
        drawing = Stage(
            Sampler,
            (samplers, endpoints, store.resolve(), tuple(plan), seed),
            cpus=samplers.cpus,
            gpus=samplers.gpus,
            workers=samplers.workers or len(samplers.models),
        )
        labelling = Stage(PartLabeller, (tuple(plan), labeller), workers=workers)
        for part in flow(todo, [drawing, labelling], ordered=False) if todo else ():
            if not is_done(part.target):
                raise InputError(f"{part.target} is not here: give a folder that all nodes share.")
            if advance:
                advance(read_facts(part.target)["groups"])
    return job.finish(target)


class Sampler:
    """A worker that samples for parts of a store from the least loaded endpoint."""

    def __init__(
        self, samplers: Samplers, endpoints: Endpoints, store: Path, plan: Sequence[Decoding], seed: int
    ) -> None:
        """Sample for the parts of `store`; models are created when their endpoint is first used."""
        self._make, self._rounds = samplers.models, samplers.rounds
        self._made: dict[int, LanguageModel] = {}
        self._endpoints, self._store, self._plan, self._seed = endpoints, store, plan, seed

    def __call__(self, part: StorePart) -> Iterator[Drawn]:
        """Sample for one part; if an endpoint fails, try the next one.

        Raises:
            LanguageModelError: no endpoint answers.

        """
        groups = part.read(self._store)
        yield part, groups, self._drawn(groups)

    def _drawn(self, groups: list[Group]) -> list[list[Samples]]:
        count, failure = len(self._make), ""
        for attempt in range(self._rounds * count):
            with self._endpoints.place() as place:
                try:
                    return draw_living(groups, self._model(place.number), self._plan, self._seed)
                except LanguageModelError as error:
                    place.failed, failure = True, str(error)
            if attempt % count == count - 1 and attempt < self._rounds * count - 1:
                time.sleep(min(LONGEST_WAIT, 2.0 ** (attempt // count)))
        raise LanguageModelError(f"{failure} Groups finished before it are kept; run it again to go on.")

    def _model(self, number: int) -> LanguageModel:
        if number not in self._made:
            self._made[number] = self._make[number]()
        return self._made[number]


class PartLabeller:
    """A worker that labels samples and writes them."""

    def __init__(self, plan: Sequence[Decoding], labeller: str) -> None:
        """Use the labeller with this name."""
        self._plan, self._label = plan, find_labeller(labeller)

    def __call__(self, drawn: Drawn) -> Iterator[StorePart]:
        """Label one part and write its file."""
        part, groups, samples = drawn
        failures: dict[int, str] = {}
        part.write(with_drawn(groups, self._plan, samples, self._label, failures.__setitem__), failures)
        yield part
