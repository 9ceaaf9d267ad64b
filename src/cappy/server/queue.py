"""The server's queue: admitted work of all requests, handed out in fair batches."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cappy.layout.encode import EncodedGroup, split_group
from cappy.runtime.choose import BATCH_TOKENS
from cappy.scorer import Scorer
from cappy.server.errors import RequestError

SMALL_TOKENS = 128
"""Jobs of at most this many tokens can overtake longer ones."""
Piece = tuple[int, int, EncodedGroup]
"""A part of a job: the group's number, the first candidate's number, and the tokens."""


class Job:
    """The work of one request. `scores` fills up: one array [candidates] per group."""

    def __init__(self, scorer: Scorer, groups: Sequence[EncodedGroup], done: Callable[[Job], None]) -> None:
        """Split the groups into pieces; `done` is called once, from any thread, when the job ends."""
        self.scorer = scorer
        self.pieces: deque[Piece] = deque(
            (number, start, part)
            for number, group in enumerate(groups)
            for start, part in split_group(group, BATCH_TOKENS)
        )
        self.scores: list[NDArray[np.float32]] = [np.empty(len(g.segments), dtype=np.float32) for g in groups]
        self.tokens = sum(part.tokens for _, _, part in self.pieces)
        self.left = len(self.pieces)
        self.error: Exception | None = None
        self.ended = False
        self.done = done


class Queue:
    """Waiting jobs, bounded in tokens; thread-safe.

    Pieces are taken from the jobs in turn, so that a large request does not block small ones. One thread takes any
    job; a second one takes small jobs while the first is busy with larger ones.
    """

    def __init__(self, capacity: int) -> None:
        """Hold at most `capacity` tokens."""
        self.capacity = capacity
        self.tokens = 0
        self.jobs = 0
        self.rate = 5000.0
        """Tokens per second, a running mean; used only for `Retry-After`."""
        self._waiting: deque[Job] = deque()
        self._open: set[Job] = set()
        self._closed = False
        self._long = False
        self._changed = threading.Condition()

    def retry_after(self) -> int:
        """Return the seconds until the queue is likely to have room, from 1 to 60."""
        return min(60, max(1, math.ceil(self.tokens / self.rate)))

    def put(self, job: Job) -> None:
        """Admit a whole job or refuse it.

        Raises:
            RequestError: 413, it exceeds the capacity; 429, the queue is full; 503, the queue is closed.

        """
        with self._changed:
            if self._closed:
                raise RequestError(503, "the server is stopping.", 5)
            if job.tokens > self.capacity:
                raise RequestError(413, f"the request has {job.tokens} tokens; the queue holds {self.capacity}.")
            if self.tokens + job.tokens > self.capacity:
                raise RequestError(429, "the server is busy; try again later.", self.retry_after())
            self.tokens += job.tokens
            self.jobs += 1
            self._open.add(job)
            self._waiting.append(job)
            self._changed.notify_all()

    def take(self, budget: int) -> list[tuple[Job, Piece]]:
        """Wait for work; return pieces of one scorer up to `budget` tokens, at least one; none once closed."""
        with self._changed:
            self._long = False
            taken = self._await(lambda: self._gather(budget))
            self._long = any(job.tokens > SMALL_TOKENS for job, _ in taken)
            if self._long:
                self._changed.notify_all()
            return taken

    def take_small(self, budget: int) -> list[tuple[Job, Piece]]:
        """Wait for small jobs while `take` has given out a long one; otherwise like `take`."""
        with self._changed:
            return self._await(lambda: self._gather(budget, SMALL_TOKENS) if self._long else [])

    def _await(self, gather: Callable[[], list[tuple[Job, Piece]]]) -> list[tuple[Job, Piece]]:
        while not (taken := gather()) and not self._closed:
            self._changed.wait()
        return taken

    def _gather(self, budget: int, most: float = math.inf) -> list[tuple[Job, Piece]]:
        """Take pieces in turn from jobs of one scorer that have at most `most` tokens left."""
        taken: list[tuple[Job, Piece]] = []
        used, others = 0, []
        while self._waiting and used < budget:
            job = self._waiting.popleft()
            if job.ended:
                continue
            if job.tokens > most or (taken and job.scorer is not taken[0][0].scorer):
                others.append(job)
                continue
            if taken and used + job.pieces[0][2].tokens > budget:
                self._waiting.appendleft(job)
                break
            piece = job.pieces.popleft()
            taken.append((job, piece))
            used += piece[2].tokens
            if job.pieces:
                self._waiting.append(job)
        # Skipped jobs have waited longest: they come next.
        self._waiting.extendleft(reversed(others))
        return taken

    def give(self, job: Job, piece: Piece, scores: NDArray[np.float32]) -> None:
        """Store a piece's scores [candidates] in its job; the last piece ends the job."""
        number, start, part = piece
        with self._changed:
            if job.ended:
                return
            job.scores[number][start : start + len(scores)] = scores
            job.left -= 1
            job.tokens -= part.tokens
            self.tokens -= part.tokens
            last = not job.left
        if last:
            self.end(job)

    def end(self, job: Job, error: Exception | None = None) -> None:
        """End a job, finished or not, and free its capacity."""
        with self._changed:
            if job.ended:
                return
            job.ended, job.error = True, error
            job.pieces.clear()
            self.tokens -= job.tokens
            self.jobs -= 1
            self._open.discard(job)
        job.done(job)

    def close(self) -> None:
        """Accept no more jobs, and end those that wait."""
        with self._changed:
            self._closed = True
            left = list(self._open)
            self._changed.notify_all()
        for job in left:
            self.end(job, RequestError(503, "the server is stopping.", 5))
