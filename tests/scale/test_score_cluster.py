"""Scoring on a cluster: the file is the one of a single machine, also when a node is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cappy
from cappy.errors import InputError
from cappy.scale import score_cluster
from cappy.scale import score_file as single
from cappy.scale.score_cluster import Workers, cluster_outcomes
from cappy.scale.score_file import Columns, score_file
from tests.scale.conftest import Nodes


@pytest.fixture
def source(tmp_path: Path) -> Path:
    lines = [json.dumps({"instruction": f"what is {i} ?", "responses": ["yes", "no", f"{i}"]}) for i in range(300)]
    lines[11] = "broken"
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    return tmp_path / "in.jsonl"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "CHUNK", 10)
    monkeypatch.setattr(score_cluster, "CHUNK", 10)


@pytest.mark.slow
def test_a_killed_node_changes_no_byte(
    nodes: Nodes, shared_bert: Path, source: Path, tmp_path: Path, small_parts: None
) -> None:
    nodes.want(3)
    scorer = cappy.load(shared_bert)
    bad: list[int] = []
    score_file(scorer, source, tmp_path / "one.jsonl", Columns(), lambda number, _: None, lambda _: None)
    seen = 0

    def advance(done: int) -> None:
        nonlocal seen
        if seen < 50 <= seen + done:
            nodes.kill()
        seen += done

    outcomes = cluster_outcomes(scorer, source, Columns(), Workers())
    score_file(scorer, source, tmp_path / "ray.jsonl", Columns(), lambda n, _: bad.append(n), advance, outcomes)
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert bad == [12] and seen == 300


def test_a_run_goes_on_from_either_side(
    two_nodes: Nodes, shared_bert: Path, source: Path, tmp_path: Path, small_parts: None
) -> None:
    scorer = cappy.load(shared_bert, threads=2)
    score_file(scorer, source, tmp_path / "one.csv", Columns(), lambda *_: None, lambda _: None)

    def stop(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # one machine begins, a cluster ends
        score_file(scorer, source, tmp_path / "ray.csv", Columns(), lambda *_: None, stop)
    steps: list[int] = []
    outcomes = cluster_outcomes(scorer, source, Columns(), Workers(most=1))
    score_file(scorer, source, tmp_path / "ray.csv", Columns(), lambda *_: None, steps.append, outcomes)
    assert steps[0] == 10 and sum(steps) == 300
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_what_a_node_lacks_is_named(two_nodes: Nodes, shared_bert: Path, source: Path) -> None:
    worker = score_cluster.PartScorer
    load = cappy.load(shared_bert).loading(str(shared_bert), 1)
    with pytest.raises(InputError, match="all nodes share"):
        worker(load, {}, source.with_name("other.jsonl"), 1, Columns())
    with pytest.raises(InputError, match="another file"):
        worker(load, {}, source, 1, Columns())
    with pytest.raises(InputError, match="not the driver's checkpoint"):
        worker(load, {}, source, source.stat().st_size, Columns())
