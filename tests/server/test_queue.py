"""The queue: who is given what, in which order, and that nobody waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cappy
from cappy.server.errors import RequestError
from cappy.server.queue import SMALL_TOKENS, Job, Queue

SHORT, LONG = 2, 40
"""Words of a response; all fit the scorer."""
Make = Callable[..., Job]


class Asking:
    """A thread that asks a queue for work, and what it was given."""

    def __init__(self, take: Callable[[int], list[Any]], budget: int) -> None:
        self.given: list[Any] | None = None
        self._thread = threading.Thread(target=self._ask, args=(take, budget), daemon=True)
        self._thread.start()

    def _ask(self, take: Callable[[int], list[Any]], budget: int) -> None:
        self.given = take(budget)

    def within(self, seconds: float) -> list[Job] | None:
        """Return the jobs of what it was given; None where it still waits."""
        self._thread.join(seconds)
        return None if self.given is None else [job for job, _ in self.given]


@pytest.fixture(scope="module")
def scorer(shared_bert: Path) -> cappy.Scorer:
    return cappy.load(shared_bert, threads=1)


@pytest.fixture
def job(scorer: cappy.Scorer) -> Make:
    def make(groups: int = 1, words: int = SHORT, owner: Any = scorer) -> Job:
        return Job(owner, scorer.encode([("the city", ["yes " * words])] * groups), lambda _: None)

    return make


def queue_of(*jobs: Job) -> Queue:
    queue = Queue(10**6)
    for one in jobs:
        queue.put(one)
    return queue


def test_a_window_ends_before_what_would_pass_the_budget(job: Make) -> None:
    small, long, longer = job(), job(words=LONG), job(words=LONG)
    queue = queue_of(small, long, longer)
    assert Asking(queue.take, small.tokens + long.tokens + 1).within(5) == [small, long]
    assert Asking(queue.take, 1).within(5) == [longer]  # one piece at least, however small the budget


def test_small_jobs_are_given_out_beside_large_ones_alone(job: Make) -> None:
    queue = queue_of(job(), job())
    assert len(Asking(queue.take, 1000).within(5) or []) == 2
    second = Asking(queue.take_small, 1000)
    queue.put(job())
    assert second.within(0.2) is None  # nobody is busy with anything large: the first thread takes it
    queue.close()
    assert second.within(5) == []


@pytest.mark.parametrize(("groups", "words"), [(60, SHORT), (12, LONG)])
def test_a_large_request_does_not_hold_up_a_small_one(job: Make, groups: int, words: int) -> None:
    large = job(groups, words)
    budget = large.tokens // 2
    assert budget > SMALL_TOKENS
    queue = queue_of(large)
    assert set(Asking(queue.take, budget).within(5) or []) == {large}
    second = Asking(queue.take_small, budget)
    assert second.within(0.2) is None
    small = job()
    queue.put(small)
    assert second.within(5) == [small]
    assert set(Asking(queue.take, budget).within(5) or []) == {large}  # what was passed over is still there


def test_jobs_of_another_scorer_come_next_in_their_order(job: Make) -> None:
    other = object()
    first, second, third, fourth = job(), job(owner=other), job(owner=other), job()
    queue = queue_of(first, second, third, fourth)
    assert Asking(queue.take, 1000).within(5) == [first, fourth]
    assert Asking(queue.take, 1000).within(5) == [second, third]


def test_what_has_ended_is_not_given_out_and_closing_wakes_everybody(job: Make) -> None:
    gone, there = job(), job()
    queue = queue_of(gone, there)
    queue.end(gone)
    assert Asking(queue.take, 1000).within(5) == [there]
    waiting = [Asking(take, 1000) for take in (queue.take, queue.take_small)]
    queue.close()
    assert [one.within(5) for one in waiting] == [[], []]
    with pytest.raises(RequestError, match="stopping"):
        queue.put(job())
