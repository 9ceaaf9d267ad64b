"""Items on a real cluster: in order, whoever dies; what kills workers is set aside, and errors reach the driver."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cappy.errors import ClusterError, InputError
from cappy.scale.attempts import Trial
from cappy.scale.pipeline import Stage, flow
from tests.scale.conftest import Nodes


class Uneasy:
    """Gives an item twice; dies of item 3 for ever, of item 7 once, fails at 5, refuses 11."""

    def __init__(self, folder: Path) -> None:
        self._died = folder / "died"

    def __call__(self, item: int) -> Iterator[tuple[int, str]]:
        if item == 3 or (item == 7 and not self._died.exists()):
            self._died.touch()
            os._exit(1)
        yield item, "first"
        if item == 5:
            raise ValueError("five")
        if item == 11:
            raise InputError("eleven is refused.")
        yield item, "second"

    def carefully(self, item: int, trial: Trial) -> Iterator[tuple[int, str]]:
        part = trial.part(0)
        yield item, "died" if part.begin() or item == 3 else "careful"
        part.end()


def test_every_item_comes_out_in_order_whatever_dies(two_nodes: Nodes, tmp_path: Path) -> None:
    found = list(flow(range(10), [Stage(Uneasy, (tmp_path,))], ordered=True))
    wanted = [(item, what) for item in range(10) for what in ("first", "second")]
    wanted[6:8] = [(3, "died")]
    wanted[wanted.index((5, "second"))] = (5, "careful")
    assert found == wanted


@pytest.mark.slow
def test_errors_reach_the_driver(two_nodes: Nodes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="eleven"):
        list(flow([11], [Stage(Uneasy, (tmp_path,))], ordered=True))
    with pytest.raises(ClusterError, match="ZeroDivisionError"):
        list(flow([0], [Stage(Dividing, ())], ordered=True))


class Dividing:
    def __call__(self, item: int) -> Iterator[float]:
        yield 1 / item


class Slow:
    def __call__(self, item: int) -> Iterator[int]:
        time.sleep(0.2)
        yield item


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(nodes: Nodes) -> None:
    nodes.want(3)
    found = []
    for item in flow(range(30), [Stage(Slow, ())], ordered=True):
        found.append(item)
        if len(found) == 6:
            nodes.kill()
    assert found == list(range(30))


@pytest.mark.slow
def test_addresses_that_do_not_work() -> None:
    asked = {"ray://somewhere:10001": "ray job submit", "127.0.0.1:1": "ray start"}
    for address, advice in asked.items():
        code = f"from cappy.scale.cluster import joined\nwith joined({address!r}): pass"
        found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
        assert advice in found.stderr, found.stderr
