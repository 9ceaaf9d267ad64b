"""Building a store of labelled groups from any number of sources, with any number of workers; resumable.

Every chunk of every source becomes one shard, which depends only on the plan and the chunk.
"""

from __future__ import annotations

import multiprocessing
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cappy.data.negatives import WrongAnswers, make_groups
from cappy.data.shards import begin_store, finish_store, is_done, read_facts, write_shard
from cappy.data.source import Chunk, PassedOver, Problem, Source
from cappy.errors import InputError
from cappy.group import Example, Group


@dataclass(frozen=True)
class BuildPlan:
    """What to build. `facts` are the recipe as read, kept in the manifest; a store with other facts is not resumed."""

    sources: tuple[Source, ...]
    wrong: WrongAnswers = field(default_factory=WrongAnswers)
    seed: int = 0
    fatal: bool = False
    """Whether the first problem ends the build; otherwise problems are counted, sampled and skipped."""
    facts: dict[str, Any] = field(default_factory=dict)


def build(
    plan: BuildPlan, folder: Path, workers: int = 1, advance: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Build the plan's groups into `folder` and return the manifest. Calling again resumes.

    `advance` is called with the number of groups of every finished shard, including those found finished.

    Raises:
        InputError: a source cannot be read, `folder` holds another build, or there is a problem and problems are fatal.

    """
    shards = begin_store(folder, plan.facts, plan.seed)
    targets: dict[str, Path] = {}

    def jobs() -> Iterator[tuple[Source, Chunk, Path]]:
        for source in plan.sources:
            for chunk in source.chunks():
                name = shard_name(chunk)
                if name in targets:
                    raise InputError(f"two sources of the recipe give the same shard {name!r}; name their tasks apart.")
                target = targets[name] = shards / name
                if not is_done(target):
                    yield source, chunk, target
                elif advance:
                    advance(read_facts(target)["groups"])

    for groups in _run(plan, jobs(), workers):
        if advance:
            advance(groups)
    return finish_store(folder, list(targets.values()), plan.facts, plan.seed)


def _run(plan: BuildPlan, jobs: Iterator[tuple[Source, Chunk, Path]], workers: int) -> Iterator[int]:
    """Run the jobs and yield each shard's number of groups, reading a few more jobs ahead than there are workers."""
    if workers <= 1:
        for job in jobs:
            yield build_shard(plan, *job)
        return
    # Spawned, not forked: the parent may run threads of other libraries.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: deque[Future[int]] = deque()
        try:
            for job in jobs:
                running.append(pool.submit(build_shard, plan, *job))
                # In job order, so that the problem that ends a build does not depend on the workers.
                if len(running) > 2 * workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            # Not `future.cancel()` one by one: the executor would then wait for a result for ever.
            pool.shutdown(cancel_futures=True)


def shard_name(chunk: Chunk) -> str:
    """Return the file name of a chunk's shard."""
    return re.sub(r"[^\w.-]+", "_", chunk.name) + ".parquet"


def build_shard(plan: BuildPlan, source: Source, chunk: Chunk, target: Path) -> int:
    """Make one chunk's groups, write them with their facts, and return their number."""
    examples: list[Example] = []
    groups: list[Group] = []
    problems: list[Problem] = list(chunk.problems)
    passed_over: Counter[str] = Counter()
    for found in source.examples(chunk):
        if isinstance(found, Problem):
            problems.append(found)
        elif isinstance(found, PassedOver):
            passed_over[found.template] += 1
        elif isinstance(found, Group):
            groups.append(found)
        else:
            examples.append(found)
    numbered = list(make_groups(examples, plan.wrong, f"{plan.seed}:{chunk.name}"))
    used = {number for number, _ in numbered}
    reason = "no choice is right, none is wrong, or no other row has a wrong answer to lend"
    problems += [
        Problem(example.address, "no usable answers", f"{example.template or example.task}: {reason}")
        for number, example in enumerate(examples)
        if number not in used
    ]
    if problems and plan.fatal:
        raise InputError(f"{problems[0].address}: {problems[0].kind} ({problems[0].reason}).")
    groups += [group for _, group in numbered]
    write_shard(target, groups, problems, len(chunk.rows), source.name, passed_over)
    return len(groups)
