"""Prometheus metrics of the HTTP door."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from connector.connector import Connector
from connector.result import Result

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counts calls. With several workers, PROMETHEUS_MULTIPROC_DIR lets each serve all counts."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self, connector: Connector) -> None:
        self._actions = frozenset(connector.manifest.actions)
        registry = self._registry = CollectorRegistry()
        self._calls = Counter(
            "connector_calls",
            "Calls that ended, by action, provider and code (ok where there is no error).",
            ["action", "provider", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "connector_call_seconds",
            "Seconds that a call took.",
            ["action"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "connector_tokens",
            "Tokens that the provider counted, by action and kind (prompt or completion).",
            ["action", "kind"],
            registry=registry,
        )
        self._retries = Counter(
            "connector_retries", "Attempts beyond the first.", ["action"], registry=registry
        )
        self._in_flight = Gauge(
            "connector_calls_in_flight",
            "Calls under way.",
            ["action"],
            registry=registry,
            multiprocess_mode="livesum",
        )

    def in_flight(self, action: str) -> AbstractContextManager[object]:
        """Count a call under way."""
        return self._in_flight.labels(action).track_inprogress()

    def count(self, action: str, result: Result) -> None:
        """Count a call that ended."""
        meta = result.meta
        code = "ok" if result.error is None else result.error.code
        self._calls.labels(action, meta.get("provider") or "none", code).inc()
        self._seconds.labels(action).observe(meta["durationMs"] / 1000)
        if meta["attempts"] > 1:
            self._retries.labels(action).inc(meta["attempts"] - 1)
        for kind in ("prompt", "completion"):
            number = (meta.get("usage") or {}).get(f"{kind}_tokens")
            if isinstance(number, int) and number > 0:
                self._tokens.labels(action, kind).inc(number)

    def text(self) -> bytes:
        """Return the metrics in the format of Prometheus."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # it has no annotations
        return generate_latest(registry)
