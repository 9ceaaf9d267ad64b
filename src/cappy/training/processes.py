"""The processes of a run: started by torchrun or accelerate launch, or a single one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from cappy.errors import InputError

WAIT = timedelta(hours=2)
"""How long a process waits for the others in an exchange; some take longer to save or to score."""
POLL = 0.5
"""Seconds between looks at files that another process writes."""


@dataclass(slots=True)
class Processes:
    """The processes that train one model: `world` of them, of which this is number `rank`.

    `stopping`: this process was asked to stop; all stop after the same step.
    """

    rank: int = 0
    world: int = 1
    stopping: bool = False

    @property
    def first(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def summed(self, values: Sequence[float]) -> list[float]:
        """Add up each of `values` over all processes, and return the same sums to all."""
        if self.world == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def gathered(self, value: Any) -> list[Any]:
        """Return every process's `value` in order of rank."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Wait until all are here and `done` holds, however long the first process takes to bring it about.

        Raises:
            KeyboardInterrupt: this process was asked to stop.

        """
        while not done():
            if self.stopping:
                raise KeyboardInterrupt
            time.sleep(POLL)
        self.wait()

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        if self.world > 1:
            dist.barrier()


def _join() -> None:
    store, rank, world = next(iter(rendezvous("env://", timeout=WAIT)))
    # When torchrun restarts processes, its store still holds the addresses of the dead ones.
    start = f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    store = dist.PrefixStore(start, store)  # type: ignore[attr-defined]  # torch does not list it
    # CPU values (clocks, metrics) go through gloo, weights and gradients on GPUs through NCCL.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=WAIT, store=store, rank=rank, world_size=world)


@contextmanager
def started_processes() -> Iterator[Processes]:
    """Join the processes that a launcher started, found by its environment variables; without them, run alone.

    An interrupted process finishes its step and saves with the others. A single process is interrupted at once.

    Raises:
        InputError: the launcher's variables are incomplete, or the other processes cannot be reached.

    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        _join()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"cannot join the other processes ({error}); start them with torchrun.") from error
    processes = Processes(dist.get_rank(), dist.get_world_size())
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def stop(*_: Any) -> None:
        processes.stopping = True

    try:
        for one in before:
            signal.signal(one, stop)
        yield processes
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        dist.destroy_process_group()
