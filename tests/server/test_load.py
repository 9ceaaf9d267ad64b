"""The load generator of the benchmarks: a short run against a real server, and that it sees what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
common = pytest.importorskip("serving_common")


def test_concurrent_clients_get_their_own_answers(server: str) -> None:
    groups = common.make_groups(12, seed=1)
    assert groups == common.make_groups(12, seed=1) != common.make_groups(12, seed=2)
    expected = common.offline_scores(groups, threads=1)
    tally = common.Load(server, groups, expected).run(6, 1.0)
    assert tally.right >= 6
    assert tally.bad == tally.busy == 0
    # Answers of the neighbour would be seen: here every client expects them, and gets its own.
    crossed = common.Load(server, groups, expected[1:] + expected[:1]).run(6, 0.2)
    assert crossed.wrong >= 6
    assert crossed.right == 0


def test_nobody_there_is_lost() -> None:
    tally = common.Load(f"http://127.0.0.1:{common.free_port()}", [("a", ["b"])], [[0.0]]).run(1, 0.05)
    assert tally.lost > 0


def test_what_counts_as_right() -> None:
    def answer(*pairs: tuple[int, float]) -> dict:
        return {"results": [{"index": index, "relevance_score": score} for index, score in pairs]}

    assert common.is_right(answer((1, 0.9), (0, 0.1)), [0.1, 0.9], 1e-4)
    for wrong in (
        answer((0, 0.1), (1, 0.9)),  # not from best to worst
        answer((0, 0.9), (1, 0.1)),  # another's score
        answer((1, 0.9)),  # one is missing
        answer((1, 0.9), (1, 0.9)),
        {"error": "x"},
        [],
    ):
        assert not common.is_right(wrong, [0.1, 0.9], 1e-4)
