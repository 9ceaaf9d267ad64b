"""The server's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
UPSTREAM_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
FILL = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """Counters, gauges and histograms in a separate registry, so that servers in one process do not share them."""

    def __init__(self) -> None:
        """Register everything at zero."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self.queue_tokens = Gauge("cappy_queue_tokens", "Tokens admitted and not yet scored.", registry=registry)
        self.queue_requests = Gauge("cappy_queue_requests", "Requests admitted and not yet done.", registry=registry)
        self.connections = Gauge("cappy_connections", "Open connections.", registry=registry)
        self.cache_bytes = Gauge("cappy_cache_bytes", "Memory of cached encoded instructions.", registry=registry)
        self.cache_hits = Gauge("cappy_cache_hits", "Repeated instructions in the cache.", registry=registry)
        self.cache_misses = Gauge("cappy_cache_misses", "Repeated instructions not in the cache.", registry=registry)
        self.tokens = Counter("cappy_tokens", "Tokens scored.", registry=registry)
        self.candidates = Counter("cappy_candidates", "Candidates scored.", registry=registry)
        self.cancelled = Counter("cappy_cancelled_requests", "Requests whose client disconnected.", registry=registry)
        self.fill = Histogram(
            "cappy_batch_fill", "A batch's tokens as a share of its budget.", buckets=FILL, registry=registry
        )
        self.batch_requests = Histogram(
            "cappy_batch_requests", "Requests in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.batch_seconds = Histogram(
            "cappy_batch_seconds", "Time to score a batch.", buckets=SECONDS, registry=registry
        )
        self.requests = Counter(
            "cappy_http_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "cappy_http_request_seconds", "Time to answer.", ["path"], buckets=SECONDS, registry=registry
        )
        self.upstream_requests = Counter(
            "cappy_upstream_requests", "Requests to the language model by status.", ["status"], registry=registry
        )
        self.upstream_seconds = Histogram(
            "cappy_upstream_seconds", "Time the language model took.", buckets=UPSTREAM_SECONDS, registry=registry
        )
        self.samples = Counter("cappy_samples", "Samples drawn.", registry=registry)
        self.samples_failed = Counter("cappy_samples_failed", "Requested samples that failed.", registry=registry)
        self.samples_saved = Counter("cappy_samples_saved", "Samples that adaptive requests saved.", registry=registry)

    async def render(self) -> bytes:
        """Return all metrics in Prometheus's format."""
        return generate_latest(self.registry)
