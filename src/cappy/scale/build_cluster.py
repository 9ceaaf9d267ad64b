"""Building a store on a Ray cluster: sources are read in parallel, and workers build their chunks into shards."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cappy.data.build import BuildPlan, build_shard, shard_name
from cappy.data.shards import begin_store, finish_store, is_done, read_facts
from cappy.data.source import Chunk, Source
from cappy.errors import InputError
from cappy.scale.pipeline import Stage, flow

READERS = 4
"""Sources read concurrently; a reader mostly waits for builders."""
Unbuilt = tuple[int, int, str, Chunk | None]
"""Source number, chunk number within it, shard name, and the chunk (None if the shard exists)."""
Built = tuple[int, int, str]
"""Source number, chunk number and name of an existing shard."""


def build_on_cluster(
    plan: BuildPlan, folder: Path, workers: int | None = None, advance: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Build like `cappy.data.build.build`, with identical output, on the cluster that this process has joined.

    All nodes see the sources' files and `folder` under the same paths. `workers` limits the builders; None uses as many
    as fit.

    Raises:
        InputError: as in `build`, or `folder` is not shared by all nodes.
        ClusterError: a chunk fails repeatedly.

    """
    shards = begin_store(folder, plan.facts, plan.seed).resolve()
    read = Stage(ChunkReader, (plan.sources, shards), cpus=0, workers=min(READERS, len(plan.sources)))
    make = Stage(ShardBuilder, (plan, shards), workers=workers)
    found: dict[str, tuple[int, int]] = {}
    for source, chunk, name in flow(range(len(plan.sources)), [read, make], ordered=False):
        if name in found:
            raise InputError(f"two sources of the recipe give the same shard {name!r}; name their tasks apart.")
        found[name] = source, chunk
        if not is_done(target := shards / name):
            raise InputError(
                f"{target} was written on another node and is not here: give a folder that all nodes share."
            )
        if advance:
            advance(read_facts(target)["groups"])
    listed = [shards / name for name in sorted(found, key=found.__getitem__)]
    return finish_store(folder, listed, plan.facts, plan.seed)


class ChunkReader:
    """A worker that reads a source chunk by chunk; chunks with an existing shard are named but not sent."""

    def __init__(self, sources: tuple[Source, ...], shards: Path) -> None:
        """Read for the shard folder `shards`."""
        self._sources, self._shards = sources, shards

    def __call__(self, number: int) -> Iterator[Unbuilt]:
        """Read the source with this number."""
        for place, chunk in enumerate(self._sources[number].chunks()):
            name = shard_name(chunk)
            yield number, place, name, None if is_done(self._shards / name) else chunk


class ShardBuilder:
    """A worker that builds shards from chunks."""

    def __init__(self, plan: BuildPlan, shards: Path) -> None:
        """Build into the folder `shards` according to `plan`.

        Raises:
            InputError: the folder does not exist.

        """
        if not shards.is_dir():
            raise InputError(f"{shards} is not on node {platform.node()}: give a folder that all nodes share.")
        self._plan, self._shards = plan, shards

    def __call__(self, unbuilt: Unbuilt) -> Iterator[Built]:
        """Build one shard, unless it exists."""
        source, place, name, chunk = unbuilt
        if chunk is not None:
            build_shard(self._plan, self._plan.sources[source], chunk, self._shards / name)
        yield source, place, name
