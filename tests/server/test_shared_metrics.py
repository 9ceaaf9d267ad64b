"""Metrics of several replicas add up, series by series."""

from __future__ import annotations

from prometheus_client import generate_latest

from cappy.server.metrics import Metrics
from cappy.server.shared_metrics import Board, summed


def test_series_add_up_and_replicas_that_are_gone_count() -> None:
    board = Board()
    for replica, requests in (("one", 2), ("two", 5), ("one", 3)):
        metrics = Metrics()
        metrics.requests.labels(path="/score", status="200").inc(requests)
        metrics.queue_tokens.set(10)
        metrics.seconds.labels(path="/score").observe(0.02)
        texts = board.exchange(replica, generate_latest(metrics.registry).decode())
    lines = summed(texts).decode().splitlines()
    assert 'cappy_http_requests_total{path="/score",status="200"} 8.0' in lines
    assert "cappy_queue_tokens 20.0" in lines
    assert 'cappy_http_request_seconds_bucket{le="0.025",path="/score"} 2.0' in lines or (
        'cappy_http_request_seconds_bucket{path="/score",le="0.025"} 2.0' in lines
    )
    assert not any("_created" in line for line in lines)
    helps = [line for line in lines if line.startswith("# HELP")]
    assert len(helps) == len(set(helps))
