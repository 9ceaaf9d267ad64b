"""The engine: all endpoints share one queue, and batches form across requests."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from cappy.calibration.combined import Selection
from cappy.errors import CheckpointError, InputError
from cappy.group import Cut, GroupScores
from cappy.layout.encode import EncodedGroup
from cappy.scorer import Scorer
from cappy.selection.learned import Choosing, read_choosing
from cappy.selection.selectors import Pool, usual_selector
from cappy.server.cancellation import Result, unless
from cappy.server.errors import RequestError
from cappy.server.metrics import Metrics
from cappy.server.queue import Job, Piece, Queue
from cappy.server.scorers import Scorers
from cappy.server.settings import Settings

log = logging.getLogger("cappy.server")
WINDOW_TOKENS = 1024
"""Tokens taken from the queue at a time (at least one whole piece): enough to keep the processor busy, few enough to
keep waits short."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of a request: the scorer's name, one result per group, the tokens used, and checkpoint settings."""

    model: str
    groups: list[GroupScores]
    tokens: int
    temperature: float
    selection: Selection | None = None


class Engine:
    """Scores requests: tokenises in a thread pool, admits by tokens, and computes on two worker threads.

    The second worker scores small requests while the first is busy with long ones.

    Create and use it in one event loop. A result depends only on its request, not on the rest of the batch.
    """

    def __init__(self, scorers: Scorers, settings: Settings, metrics: Metrics) -> None:
        """Start the worker threads; `stop` ends them."""
        self.scorers, self.settings, self.metrics = scorers, settings, metrics
        self.draining = False
        self._closed = asyncio.Event()
        self._active = 0
        self._encoding = 0
        self._queue = Queue(settings.queue_tokens)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="cappy-tokens")
        self._choosing = ThreadPoolExecutor(1, thread_name_prefix="cappy-chooses")
        self._workers = [
            threading.Thread(target=self._work, args=(take,), name=f"cappy-scores-{number}", daemon=True)
            for number, take in enumerate((self._queue.take, self._queue.take_small))
        ]
        for worker in self._workers:
            worker.start()
        metrics.queue_tokens.set_function(lambda: self._queue.tokens)
        metrics.queue_requests.set_function(lambda: self._queue.jobs)
        metrics.cache_bytes.set_function(lambda: sum(cache.bytes for cache in scorers.caches()))
        metrics.cache_hits.set_function(lambda: sum(cache.hits for cache in scorers.caches()))
        metrics.cache_misses.set_function(lambda: sum(cache.misses for cache in scorers.caches()))

    async def score(
        self,
        name: str | None,
        groups: Sequence[tuple[str, Sequence[str]]],
        choices: Sequence[str] | None = None,
        truncate: bool = True,
        inside: bool = False,
    ) -> Scored:
        """Score (instruction, responses) groups with the named scorer.

        Args:
            name: a scorer's name; None for the first.
            groups: what to score.
            choices: a closed set that contains all responses; it leaves more room for instructions.
            truncate: cut texts over the limit instead of refusing them.
            inside: this is part of admitted work, which may finish while the server drains.

        Raises:
            RequestError: 404, 413, 422, 429 or 503; the message gives the reason.

        """
        used, scorer = self.scorers.find(name)
        size = sum(len(instruction) + sum(map(len, responses)) for instruction, responses in groups)
        self._check(groups, size)
        with self.working(inside):
            encoded = await self._encode(scorer.for_choices(choices) if choices else scorer, groups, size)
            tokens = sum(group.tokens for group in encoded)
            if tokens > self.settings.request_tokens:
                raise RequestError(
                    413, f"the request has {tokens} tokens; the limit is {self.settings.request_tokens}."
                )
            if not truncate:
                _refuse_cuts(encoded)
            job = await self._run(scorer, encoded)
        results = [GroupScores(tuple(map(float, s)), group.cuts) for s, group in zip(job.scores, encoded, strict=True)]
        self.metrics.candidates.inc(sum(len(result.scores) for result in results))
        return Scored(used, results, tokens, scorer.temperature, scorer.selection)

    async def usual_selector(self, name: str | None) -> str:
        """Return the default selector of the named scorer; see `cappy.selection.selectors`."""
        learnt = await self.aside(self._learnt_by, name)
        return usual_selector(self.scorers.find(name)[1].selection, learnt is not None)

    async def learnt(self, name: str | None, pool: Pool) -> tuple[float, ...]:
        """Value scored samples [samples] with the named scorer's learnt selector; part of admitted work.

        Raises:
            RequestError: 422, it has no learnt selector, or a text cannot be read; 503, the server is stopping.

        """
        used, scorer = self.scorers.find(name)
        choosing = await self.aside(self._learnt_by, name)
        if choosing is None:
            raise RequestError(422, f"the scorer {used!r} has not learnt to choose; train one with cappy adapt.")
        values = await self.aside(choosing.values, scorer, pool.instruction, pool.samples, pool.scores)
        return tuple(map(float, values))

    def _learnt_by(self, name: str | None) -> Choosing | None:
        return read_choosing(self.scorers.find(name)[1].checkpoint.folder)

    async def aside(self, work: Callable[..., Result], *given: Any) -> Result:
        """Run work on a separate thread without blocking the event loop."""
        if self.draining and self._closed.is_set():
            raise RequestError(503, "the server is stopping.", 5)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._choosing, work, *given)
        except (InputError, CheckpointError) as error:
            raise RequestError(422, str(error)) from error

    @contextmanager
    def working(self, inside: bool = False) -> Iterator[None]:
        """Keep draining from ending while a request is in progress.

        Raises:
            RequestError: 503, the server is stopping and this is not `inside` admitted work.

        """
        if self.draining and not inside:
            raise RequestError(503, "the server is stopping.", 5)
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1

    async def until_closed(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `work`; cancel it with 503 when the time for draining is over."""
        return await unless(self._closed.wait(), RequestError(503, "the server is stopping.", 5), work)

    async def drain(self, seconds: float) -> None:
        """Refuse new requests and let admitted ones finish; after `seconds`, refuse the rest."""
        self.draining = True
        deadline = time.monotonic() + seconds
        while self._active and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._closed.set()
        self._queue.close()

    def stop(self) -> None:
        """End the workers; refuse what still waits."""
        self.draining = True
        self._queue.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._choosing.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.join(timeout=10)

    def _check(self, groups: Sequence[tuple[str, Sequence[str]]], size: int) -> None:
        if not groups:
            raise RequestError(422, "there is nothing to score.")
        # A body within the limit can expand to much more: a classification repeats its instruction for each input.
        if size > self.settings.body_bytes:
            most = self.settings.body_bytes
            raise RequestError(413, f"the request expands to {size} characters; the limit is {most}.")
        count = sum(len(responses) for _, responses in groups)
        if count > self.settings.candidates:
            raise RequestError(413, f"the request has {count} candidates; the limit is {self.settings.candidates}.")
        # Work is counted in tokens, which are not known yet; text waiting for tokenisation is bounded in bytes.
        if self._queue.tokens >= self._queue.capacity or self._encoding + size > 8 * self.settings.body_bytes:
            raise RequestError(429, "the server is busy; try again later.", self._queue.retry_after())

    async def _encode(
        self, scorer: Scorer, groups: Sequence[tuple[str, Sequence[str]]], size: int
    ) -> list[EncodedGroup]:
        self._encoding += size
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, scorer.encode, groups)
        except InputError as error:
            raise RequestError(422, str(error)) from error
        except RuntimeError as error:  # the pool has been shut down
            raise RequestError(503, "the server is stopping.", 5) from error
        finally:
            self._encoding -= size

    async def _run(self, scorer: Scorer, encoded: Sequence[EncodedGroup]) -> Job:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: Job) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is waiting
                loop.call_soon_threadsafe(ended.set)

        job = Job(scorer, encoded, wake)
        self._queue.put(job)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            self._queue.end(job, RequestError(499, "the client left."))
            raise
        if job.error:
            raise job.error
        return job

    def _work(self, take: Callable[[int], list[tuple[Job, Piece]]]) -> None:
        while taken := take(WINDOW_TOKENS):
            started, tokens = time.perf_counter(), sum(piece[2].tokens for _, piece in taken)
            try:
                self._score(taken)
            except Exception as error:  # one bad request must not fail the rest of its batch
                log.warning("a batch failed; retrying it piece by piece", extra={"error": type(error).__name__})
                for one in taken:
                    self._score_alone(one)
            seconds = time.perf_counter() - started
            fill = min(1.0, tokens / WINDOW_TOKENS)
            self._queue.rate += 0.2 * fill * (tokens / max(seconds, 1e-6) - self._queue.rate)
            self.metrics.tokens.inc(tokens)
            self.metrics.fill.observe(fill)
            self.metrics.batch_requests.observe(len({id(job) for job, _ in taken}))
            self.metrics.batch_seconds.observe(seconds)

    def _score(self, taken: Sequence[tuple[Job, Piece]]) -> None:
        """Score pieces of one scorer and hand the results to their jobs."""
        results = taken[0][0].scorer.score_encoded([piece[2] for _, piece in taken])
        for (job, piece), scores in zip(taken, results, strict=True):
            if np.isfinite(scores).all():
                self._queue.give(job, piece, scores)
                continue
            place = piece[1] + int(np.flatnonzero(~np.isfinite(scores))[0])
            sentence = f"group {piece[0]}, candidate {place}: the checkpoint gives no finite score for it."
            self._queue.end(job, RequestError(422, sentence))

    def _score_alone(self, one: tuple[Job, Piece]) -> None:
        try:
            self._score([one])
        except Exception as error:
            log.error("a request failed", extra={"error": type(error).__name__})
            self._queue.end(one[0], RequestError(500, "the scorer failed on this request."))


def _refuse_cuts(encoded: Sequence[EncodedGroup]) -> None:
    """Refuse texts that would have to be cut."""
    cut: Cut | None = next((cut for group in encoded for cut in group.cuts if cut), None)
    if cut:
        raise RequestError(413, f"a text is over the token limit ({cut}); set truncate to true to cut it.")
