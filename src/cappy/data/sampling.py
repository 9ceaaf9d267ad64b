"""Adding a language model's responses to groups, labelled by the groups' references (Tan et al., 2023, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cappy.data.negatives import merge
from cappy.data.shards import begin_store, finish_store, is_done, read_facts, write_shard
from cappy.data.source import Problem
from cappy.data.store import read_groups, read_manifest
from cappy.errors import InputError, LanguageModelError
from cappy.group import Candidate, Group
from cappy.llm.decoding import Decoding
from cappy.llm.model import LanguageModel, Samples
from cappy.metrics.references import Labeller

PART = 200
"""Groups per write: the most that an interruption loses."""


def is_open(group: Group) -> bool:
    """Return whether a group's answer is free text: it has a reference and lists no choices."""
    origins = {candidate.origin for candidate in group.candidates}
    return "reference" in origins and "choice" not in origins


def with_samples(
    groups: Sequence[Group],
    generator: LanguageModel,
    plan: Sequence[Decoding],
    label: Labeller,
    seed: int,
    failed: Callable[[int, str], None] | None = None,
) -> list[Group]:
    """Add the plan's responses to every group that `is_open`; other groups are returned unchanged.

    Responses equal under `normalise` are merged with each other and with the references, which keep label 1. Empty
    responses are dropped. `failed` is called with the index of each group that has fewer samples than planned, and the
    reason.

    Raises:
        LanguageModelError: sampling failed for a group and `failed` is not given.

    """
    return with_drawn(groups, plan, draw(groups, generator, plan, seed), label, failed)


def draw(
    groups: Sequence[Group], generator: LanguageModel, plan: Sequence[Decoding], seed: int
) -> Iterator[list[Samples]]:
    """Yield for every decoding of the plan what the model gives to each group that `is_open`, in their order."""
    prompts = [group.instruction for group in groups if is_open(group)]
    for decoding in plan:
        yield generator.generate(prompts, decoding, seed) if prompts else []


def with_drawn(
    groups: Sequence[Group],
    plan: Sequence[Decoding],
    drawn: Iterable[Sequence[Samples]],
    label: Labeller,
    failed: Callable[[int, str], None] | None = None,
) -> list[Group]:
    """Label what `draw` gave and add it to the groups; see `with_samples`."""
    chosen = [number for number, group in enumerate(groups) if is_open(group)]
    extra: list[list[Candidate]] = [[] for _ in chosen]
    for decoding, found in zip(plan, drawn, strict=True):
        for place, samples in enumerate(found):
            if samples.error:
                if failed is None:
                    raise LanguageModelError(samples.error)
                failed(chosen[place], samples.error)
            references = [c.text for c in groups[chosen[place]].candidates if c.origin == "reference"]
            extra[place] += [
                Candidate(text, label(text, references), f"sample:{decoding.name}")
                for text in samples.texts
                if text.strip()
            ]
    made = list(groups)
    for number, added in zip(chosen, extra, strict=True):
        made[number] = replace(groups[number], candidates=merge([*groups[number].candidates, *added]))
    return made


@dataclass(frozen=True, slots=True)
class StorePart:
    """Groups `start` to `stop` of the file `shard` of a store, and the file that they go to with samples."""

    shard: str
    start: int
    stop: int
    target: Path

    def read(self, store: Path) -> list[Group]:
        """Return the groups."""
        return list(_shard_groups(store / self.shard)[self.start : self.stop])

    def write(self, made: Sequence[Group], failures: Mapping[int, str]) -> None:
        """Write the groups with samples; `failures` says by their numbers why some have fewer."""
        problems = [
            Problem(f"{self.shard}, group {self.start + number}", "not sampled", why)
            for number, why in failures.items()
        ]
        write_shard(self.target, made, problems, len(made), self.shard)


@lru_cache(maxsize=1)
def _shard_groups(shard: Path) -> tuple[Group, ...]:
    """Read a shard once for the parts that follow each other."""
    return tuple(read_groups(shard))


@dataclass(frozen=True, slots=True)
class SampleJob:
    """A store's parts, and the recipe of the store that they become."""

    parts: tuple[StorePart, ...]
    recipe: dict[str, Any]
    seed: int

    def finish(self, target: Path) -> dict[str, Any]:
        """Write the manifest when all parts are there, and return it."""
        return finish_store(target, [part.target for part in self.parts], self.recipe, self.seed)


def begin_sampling(
    store: Path, target: Path, plan: Sequence[Decoding], facts: Mapping[str, Any], seed: int
) -> SampleJob:
    """Make the folder of a store with samples, or make sure that it is the one of this job.

    Raises:
        InputError: `store` is no finished store, or `target` holds another.

    """
    manifest = read_manifest(store)
    if "shards" not in manifest:
        raise InputError(f"{store} is no finished store of groups; build one with: cappy data build")
    recipe = {**facts, "plan": [asdict(decoding) for decoding in plan], "of": manifest["recipe"]}
    shards = begin_store(target, recipe, seed)
    parts = (
        StorePart(
            shard["file"], start, start + PART, shards / f"{Path(shard['file']).stem}.{start // PART:04d}.parquet"
        )
        for shard in manifest["shards"]
        for start in range(0, shard["groups"], PART)
    )
    return SampleJob(tuple(parts), recipe, seed)


def sample_store(
    store: Path,
    target: Path,
    generator: LanguageModel,
    plan: Sequence[Decoding],
    label: Labeller,
    facts: dict[str, Any],
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Copy a store with samples added, shard by shard, and return the manifest. Calling again resumes.

    `facts` name the model and the labeller in the manifest, next to the recipe of `store` and the plan. A prompt that
    the model cannot answer, such as one that is too long, is recorded as a problem in the manifest.

    Raises:
        InputError: `store` is not a finished store, or `target` holds another one.
        LanguageModelError: the model has stopped answering; finished shards are kept.

    """
    job = begin_sampling(store, target, plan, facts, seed)
    for part in job.parts:
        if not is_done(part.target):
            groups = part.read(store)
            try:
                drawn = draw_living(groups, generator, plan, seed)
            except LanguageModelError as error:
                message = f"{error} Groups finished before it are kept; run it again to go on."
                raise LanguageModelError(message) from error
            failures: dict[int, str] = {}
            part.write(with_drawn(groups, plan, drawn, label, failures.__setitem__), failures)
        if advance:
            advance(read_facts(part.target)["groups"])
    return job.finish(target)


def draw_living(
    groups: Sequence[Group], generator: LanguageModel, plan: Sequence[Decoding], seed: int
) -> list[list[Samples]]:
    """Draw as `draw` does, from a model that answers at all.

    Raises:
        LanguageModelError: every group failed, and the model does not answer a short prompt either.

    """
    drawn = list(draw(groups, generator, plan, seed))
    if any(drawn) and all(any(found[place].error for found in drawn) for place in range(len(drawn[0]))):
        _check_alive(generator, plan, seed)
    return drawn


def _check_alive(generator: LanguageModel, plan: Sequence[Decoding], seed: int) -> None:
    """Distinguish prompts that cannot be answered from a model that answers nothing.

    Raises:
        LanguageModelError: it does not answer a short prompt either.

    """
    for samples in generator.generate(["Hello."], plan[0], seed):
        if samples.error:
            raise LanguageModelError(samples.error)
