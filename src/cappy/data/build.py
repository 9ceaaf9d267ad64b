"""Building a store of labelled groups: any number of sources, any number of workers, stopped and resumed at will.

Every chunk of every source becomes one shard, which depends on the plan and the chunk alone. A shard is a Parquet file
and, written after it, a file of facts; what has its facts is done. The manifest comes last, from the facts.
"""

from __future__ import annotations

import json
import multiprocessing
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cappy
from cappy.checkpoint.files import atomic_file
from cappy.checkpoint.save import sha256
from cappy.data.candidates import WrongAnswers, make_groups
from cappy.data.examples import Chunk, Example, Problem, Source
from cappy.data.store import write_parquet
from cappy.errors import InputError, MissingExtraError

MANIFEST = "manifest.json"
PLAN = "plan.json"
SHARDS = "shards"
SAMPLED_PROBLEMS = 5
"""Problems of each kind that a shard keeps as examples, beside their count."""


@dataclass(frozen=True)
class BuildPlan:
    """What is built. `facts` are the recipe as it was read, kept in the manifest; a store of others is not resumed."""

    sources: tuple[Source, ...]
    wrong: WrongAnswers = field(default_factory=WrongAnswers)
    seed: int = 0
    fatal: bool = False
    """Whether the first problem ends the build; else problems are counted, sampled, and passed over."""
    facts: dict[str, Any] = field(default_factory=dict)


def build(
    plan: BuildPlan, folder: Path, workers: int = 1, advance: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Build the plan's groups into `folder` and return the manifest. Calling again goes on where it was stopped.

    `advance` is told the groups of every shard as it is done, those found done included.

    Raises:
        InputError: a source cannot be read, `folder` holds another build, or a problem is met and problems are fatal.

    """
    shards = folder / SHARDS
    _begin(plan, folder, shards)
    names: list[str] = []
    names_seen: set[str] = set()

    def jobs() -> Iterator[tuple[Source, Chunk, Path]]:
        for source in plan.sources:
            for chunk in source.chunks():
                name = re.sub(r"[^\w.-]+", "_", chunk.name)
                if name in names_seen:
                    raise InputError(f"two sources of the recipe give the same shard {name!r}; name their tasks apart.")
                names_seen.add(name)
                names.append(name)
                target = shards / f"{name}.parquet"
                if not _facts_path(target).exists():
                    yield source, chunk, target
                elif advance:
                    advance(_read_facts(target)["groups"])

    for groups in _run(plan, jobs(), workers):
        if advance:
            advance(groups)
    manifest = _manifest(plan, [shards / f"{name}.parquet" for name in names])
    _write_json(folder / MANIFEST, manifest)
    return manifest


def _begin(plan: BuildPlan, folder: Path, shards: Path) -> None:
    """Make the folder, or make sure that what it holds is this plan's."""
    shards.mkdir(parents=True, exist_ok=True)
    # As JSON, so that it equals what is read back.
    mine = json.loads(json.dumps({"recipe": plan.facts, "seed": plan.seed, "cappy": cappy.__version__}))
    path = folder / PLAN
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != mine:
            raise InputError(f"{folder} holds a build of another recipe, seed or version; give another folder.")
    elif any(shards.iterdir()):
        raise InputError(f"{folder} holds files that are no build; give another folder.")
    else:
        _write_json(path, mine)
    for leftover in shards.glob(".*"):  # of a build that was killed while it wrote
        leftover.unlink(missing_ok=True)


def _run(plan: BuildPlan, jobs: Iterator[tuple[Source, Chunk, Path]], workers: int) -> Iterator[int]:
    """Do the jobs and yield each shard's number of groups, a few more jobs read ahead than there are workers."""
    if workers <= 1:
        for job in jobs:
            yield build_shard(plan, *job)
        return
    # Spawned and not forked: the parent may hold threads of other libraries.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: set[Future[int]] = set()
        try:
            for job in jobs:
                running.add(pool.submit(build_shard, plan, *job))
                if len(running) > 2 * workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in running)
        finally:
            for future in running:
                future.cancel()


def build_shard(plan: BuildPlan, source: Source, chunk: Chunk, target: Path) -> int:
    """Make one chunk's groups, write them with their facts, and return how many there are."""
    examples: list[Example] = []
    problems: list[Problem] = list(chunk.problems)
    for found in source.examples(chunk):
        if isinstance(found, Problem):
            problems.append(found)
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
    groups = [group for _, group in numbered]
    with atomic_file(target) as beside:
        write_parquet(beside, groups)
    sampled: dict[str, list[list[str]]] = defaultdict(list)
    for problem in problems:
        if len(sampled[problem.kind]) < SAMPLED_PROBLEMS:
            sampled[problem.kind].append([problem.address, problem.reason])
    facts = {
        "source": source.name,
        "rows": len(chunk.rows),
        "groups": len(groups),
        "tasks": dict(sorted(Counter(group.task for group in groups).items())),
        "candidates": dict(sorted(Counter(c.origin for group in groups for c in group.candidates).items())),
        "problems": dict(sorted(Counter(problem.kind for problem in problems).items())),
        "problem_samples": dict(sorted(sampled.items())),
        "sha256": sha256(target),
    }
    _write_json(_facts_path(target), facts)
    return len(groups)


def _manifest(plan: BuildPlan, shards: list[Path]) -> dict[str, Any]:
    """Sum up the shards' facts, in the order of the sources."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError("building data", "data") from error
    totals: dict[str, Counter[str]] = {name: Counter() for name in ("tasks", "candidates", "problems")}
    samples: dict[str, list[list[str]]] = defaultdict(list)
    listed, rows = [], 0
    for path in shards:
        facts = _read_facts(path)
        rows += facts["rows"]
        listed.append({"file": f"{SHARDS}/{path.name}", "groups": facts["groups"], "sha256": facts["sha256"]})
        for name, counter in totals.items():
            counter.update(facts[name])
        for kind, found in facts["problem_samples"].items():
            samples[kind] += found[: SAMPLED_PROBLEMS - len(samples[kind])]
    return {
        "recipe": plan.facts,
        "seed": plan.seed,
        "versions": {"cappy": cappy.__version__, "pyarrow": pa.__version__},
        "rows": rows,
        "groups": sum(shard["groups"] for shard in listed),
        **{name: dict(sorted(counter.items())) for name, counter in totals.items()},
        "problem_samples": dict(sorted(samples.items())),
        "shards": listed,
    }


def _facts_path(shard: Path) -> Path:
    return shard.with_suffix(".json")


def _read_facts(shard: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(_facts_path(shard).read_text(encoding="utf-8"))
    return facts


def _write_json(path: Path, content: Any) -> None:
    with atomic_file(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
