"""Sharded stores on disk: a plan that identifies the build, shards with their facts, and a manifest written last.

A shard is a Parquet file and a file of facts that is written after it. A shard with facts is finished, whatever was
killed when.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cappy
from cappy.data.source import Problem
from cappy.data.store import MANIFEST, group_counts, write_parquet
from cappy.errors import InputError, MissingExtraError
from cappy.files.atomic import atomic_file, sha256, write_json
from cappy.group import Group

PLAN = "plan.json"
SHARDS = "shards"
COUNTED = ("tasks", "candidates", "problems", "passed_over")
"""Facts of a shard that are counts by name; the manifest sums them."""
SAMPLED_PROBLEMS = 5
"""Examples that a shard keeps of each kind of problem, besides the count."""


def begin_store(folder: Path, recipe: Mapping[str, Any], seed: int) -> Path:
    """Create a store's folder, or check that it belongs to this recipe and seed; return the folder of its shards.

    Raises:
        InputError: the folder holds another build, or other files.

    """
    shards = folder / SHARDS
    shards.mkdir(parents=True, exist_ok=True)
    # As JSON, so that it equals what is read back.
    mine = json.loads(json.dumps({"recipe": recipe, "seed": seed, "cappy": cappy.__version__}))
    path = folder / PLAN
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != mine:
            raise InputError(f"{folder} holds a build of another recipe, seed or version; give another folder.")
    elif any(shards.iterdir()):
        raise InputError(f"{folder} holds other files; give another folder.")
    else:
        write_json(path, mine)
    for leftover in shards.glob(".*"):  # of a build that was killed while writing
        leftover.unlink(missing_ok=True)
    return shards


def is_done(shard: Path) -> bool:
    """Return whether a shard is complete."""
    return _facts_path(shard).exists()


def write_shard(
    target: Path,
    groups: Sequence[Group],
    problems: Sequence[Problem],
    rows: int,
    source: str,
    passed_over: Mapping[str, int] | None = None,
) -> None:
    """Write a shard, then its facts: counts, sampled problems, skipped rows by template, hash."""
    with atomic_file(target) as beside:
        write_parquet(beside, groups)
    sampled: dict[str, list[list[str]]] = defaultdict(list)
    for problem in problems:
        if len(sampled[problem.kind]) < SAMPLED_PROBLEMS:
            sampled[problem.kind].append([problem.address, problem.reason])
    facts = {
        "source": source,
        "rows": rows,
        **group_counts(groups),
        "problems": dict(sorted(Counter(problem.kind for problem in problems).items())),
        "problem_samples": dict(sorted(sampled.items())),
        "passed_over": dict(sorted((passed_over or {}).items())),
        "sha256": sha256(target),
    }
    write_json(_facts_path(target), facts)


def finish_store(folder: Path, shards: Sequence[Path], recipe: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Sum the shards' facts in order, write the manifest and return it."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError("building data", "data") from error
    totals: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
    samples: dict[str, list[list[str]]] = defaultdict(list)
    listed, rows = [], 0
    for path in shards:
        facts = read_facts(path)
        rows += facts["rows"]
        listed.append({"file": f"{SHARDS}/{path.name}", "groups": facts["groups"], "sha256": facts["sha256"]})
        for name, counter in totals.items():
            counter.update(facts[name])
        for kind, found in facts["problem_samples"].items():
            samples[kind] += found[: SAMPLED_PROBLEMS - len(samples[kind])]
    manifest = {
        "recipe": dict(recipe),
        "seed": seed,
        "versions": {"cappy": cappy.__version__, "pyarrow": pa.__version__},
        "rows": rows,
        "groups": sum(shard["groups"] for shard in listed),
        **{name: dict(sorted(counter.items())) for name, counter in totals.items()},
        "problem_samples": dict(sorted(samples.items())),
        "shards": listed,
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def _facts_path(shard: Path) -> Path:
    return shard.with_suffix(".json")


def read_facts(shard: Path) -> dict[str, Any]:
    """Return the facts of a finished shard."""
    facts: dict[str, Any] = json.loads(_facts_path(shard).read_text(encoding="utf-8"))
    return facts
