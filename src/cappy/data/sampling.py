"""Adding a language model's responses to groups, labelled by the groups' references (Tan et al., 2023, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cappy.data.negatives import merge
from cappy.data.shards import begin_store, finish_store, is_done, read_facts, write_shard
from cappy.data.source import Problem
from cappy.data.store import read_groups, read_manifest
from cappy.errors import InputError, LanguageModelError
from cappy.group import Candidate, Group
from cappy.llm.decoding import Decoding
from cappy.llm.model import LanguageModel
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
    chosen = [number for number, group in enumerate(groups) if is_open(group)]
    prompts = [groups[number].instruction for number in chosen]
    drawn: list[list[Candidate]] = [[] for _ in chosen]
    for decoding in plan:
        found = generator.generate(prompts, decoding, seed) if prompts else []
        for place, samples in enumerate(found):
            if samples.error:
                if failed is None:
                    raise LanguageModelError(samples.error)
                failed(chosen[place], samples.error)
            references = [c.text for c in groups[chosen[place]].candidates if c.origin == "reference"]
            drawn[place] += [
                Candidate(text, label(text, references), f"sample:{decoding.name}")
                for text in samples.texts
                if text.strip()
            ]
    made = list(groups)
    for number, extra in zip(chosen, drawn, strict=True):
        made[number] = replace(groups[number], candidates=merge([*groups[number].candidates, *extra]))
    return made


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
    manifest = read_manifest(store)
    if "shards" not in manifest:
        raise InputError(f"{store} is no finished store of groups; build one with: cappy data build")
    recipe = {**facts, "plan": [asdict(decoding) for decoding in plan], "of": manifest["recipe"]}
    shards = begin_store(target, recipe, seed)
    targets = []
    for shard in manifest["shards"]:
        groups: list[Group] | None = None  # read only if something is left to do
        for start in range(0, shard["groups"], PART):
            place = shards / f"{Path(shard['file']).stem}.{start // PART:04d}.parquet"
            targets.append(place)
            if not is_done(place):
                groups = groups or list(read_groups(store / shard["file"]))
                part = groups[start : start + PART]
                failures: dict[int, str] = {}
                try:
                    made = with_samples(part, generator, plan, label, seed, failures.__setitem__)
                    if len(failures) == sum(map(is_open, part)) > 0:
                        _check_alive(generator, plan, seed)
                except LanguageModelError as error:
                    message = f"{error} Groups finished before it are kept; run it again to go on."
                    raise LanguageModelError(message) from error
                problems = [
                    Problem(f"{shard['file']}, group {start + number}", "not sampled", why)
                    for number, why in failures.items()
                ]
                write_shard(place, made, problems, len(part), shard["file"])
            if advance:
                advance(read_facts(place)["groups"])
    return finish_store(target, targets, recipe, seed)


def _check_alive(generator: LanguageModel, plan: Sequence[Decoding], seed: int) -> None:
    """Distinguish prompts that cannot be answered from a model that answers nothing.

    Raises:
        LanguageModelError: it does not answer a short prompt either.

    """
    for samples in generator.generate(["Hello."], plan[0], seed):
        if samples.error:
            raise LanguageModelError(samples.error)
