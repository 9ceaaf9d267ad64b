"""Streaming items through worker stages on a Ray cluster: Ray Data bounds memory and replaces lost workers.

Backpressure: a stage pulls only as fast as the next one takes, so nothing accumulates before a slow stage.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cappy
from cappy.errors import CappyError, ClusterError, InputError
from cappy.scale.attempts import Attempts, Trial, counting
from cappy.scale.cluster import worker_count

Work = Callable[[Any], Iterable[Any]]
"""A worker's function: one item in, any number of items out, always the same ones for the same item."""
BLOCKS = 10_000
"""Maximum number of blocks for a job's items; Ray keeps metadata of each on the driver."""
ATTEMPTS = 3
"""Attempts per item: within one worker if they raise errors, by successive workers if these die."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Workers that call `make(*given)` once, and its result for every item.

    A worker takes `cpus` cores and `gpus` GPUs; use 0 cores for one that mostly waits. `workers` limits their number;
    None uses what fits, and more as the cluster grows. If the work has a method `carefully(item, trial)`, it is called
    for items that failed in all attempts.
    """

    make: Callable[..., Work]
    given: tuple[Any, ...]
    cpus: float = 1.0
    gpus: float = 0.0
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """An error sent to the driver in place of an item."""

    error: CappyError


class _Worker:
    """A stage's work as Ray Data calls it: a batch with one numbered item in, such batches out."""

    def __init__(self, stage: Stage, version: str, attempts: Attempts) -> None:
        self._attempts = attempts
        self._broken: CappyError | None = None
        try:
            if version != cappy.__version__:
                raise InputError(f"a node has Cappy {cappy.__version__}, the driver {version}; versions must match.")
            self._work = stage.make(*stage.given)
        except CappyError as error:
            self._broken = error

    def __call__(self, batch: Any) -> Iterator[Any]:
        number, item = batch["item"][0]
        made = iter((item,)) if isinstance(item, _Failed) else self._made(number, item)
        for place, one in enumerate(made):
            yield _batch((*number, place), one)

    def _made(self, number: tuple[int, ...], item: Any) -> Iterator[Any]:
        if self._broken:
            yield _Failed(self._broken)
            return
        trial = self._attempts.of(number)
        failure = "its workers died" if trial.begin() >= ATTEMPTS else ""
        given = 0
        try:
            for attempt in range(0 if failure else ATTEMPTS):
                try:
                    for one in islice(self._work(item), given, None):
                        yield one
                        given += 1
                    break
                except CappyError:
                    raise
                except Exception as error:  # for example a file system that was briefly unavailable
                    failure = f"{type(error).__name__}: {error}"
                    time.sleep(attempt)
            else:
                yield from self._carefully(item, trial, failure)
        except CappyError as error:
            yield _Failed(error)
        trial.end()

    def _carefully(self, item: Any, trial: Trial, failure: str) -> Iterable[Any]:
        carefully = getattr(self._work, "carefully", None)
        if carefully is None:
            raise ClusterError(f"the same block failed {ATTEMPTS} times, most recently with: {failure}")
        made: Iterable[Any] = carefully(item, trial)
        return made


def _batch(number: tuple[int, ...], item: Any) -> dict[str, Any]:
    import numpy as np

    column = np.empty(1, dtype=object)
    column[0] = (number, item)
    return {"item": column}


def flow(items: Sequence[Any], stages: Sequence[Stage], *, ordered: bool) -> Iterator[Any]:
    """Send `items` through the stages and yield the results; `ordered` keeps the order of `items`.

    When a worker or node is lost, other workers repeat its unfinished items. `items` should be small: references to
    what is read, not its content.

    Raises:
        CappyError: a stage raised it.
        ClusterError: a block failed `ATTEMPTS` times with an unexpected error, or Ray gave up.

    """
    import ray.data
    from ray.exceptions import RayError

    with counting() as attempts, _context(ray.data.DataContext.get_current(), ordered):
        numbered = [((number,), item) for number, item in enumerate(items)]
        data: ray.data.Dataset = ray.data.from_items(numbered, override_num_blocks=min(len(items), BLOCKS))
        for level, stage in enumerate(stages):
            data = data.map_batches(
                _Worker,
                fn_constructor_args=(stage, cappy.__version__, attempts.at(level)),
                batch_size=1,
                batch_format="numpy",
                compute=_pool(stage),
                num_cpus=stage.cpus,
                num_gpus=stage.gpus or None,
            )
        try:
            for batch in data.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                for _, item in batch["item"]:
                    if isinstance(item, _Failed):
                        raise item.error
                    yield item
        except RayError as error:
            raise ClusterError(f"the cluster gave up: {_last_line(error)}") from error


def _pool(stage: Stage) -> Any:
    from ray.data import ActorPoolStrategy

    room = worker_count(stage.cpus, stage.gpus) if stage.cpus or stage.gpus else 1
    first = min(room, stage.workers or room)
    return ActorPoolStrategy(min_size=1, initial_size=first, max_size=stage.workers, max_tasks_in_flight_per_actor=2)


@contextmanager
def _context(context: Any, ordered: bool) -> Iterator[None]:
    """Configure Ray Data for this job and restore it later: one item per block, no bars, no terminal log."""
    wanted = {"enable_progress_bars": False, "print_on_execution_start": False, "target_max_block_size": 1}
    before = {name: getattr(context, name) for name in wanted}
    order = context.execution_options.preserve_order
    logger = logging.getLogger("ray.data")
    level = logger.level
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        context.execution_options.preserve_order = ordered
        logger.setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        context.execution_options.preserve_order = order
        logger.setLevel(level)


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
