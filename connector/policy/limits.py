"""The manifest's policies: limits and delays that lower layers apply."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Backoff(NamedTuple):
    """How long to wait between attempts, in milliseconds.

    `jitter` None means full jitter: a random part of the delay. A number is the largest fraction
    of the delay that is added to it at random.
    """

    max_retries: int = 2
    base_ms: int = 500
    cap_ms: int = 8_000
    jitter: float | None = None


class Policies(NamedTuple):
    """Limits of every action; sizes in bytes, times in milliseconds.

    `max_text_bytes` is the largest response that is read as JSON or text, in memory; a quarter of
    it if the response is not all ASCII. `max_file_bytes` is the largest response that is written
    to a file, in pieces.
    """

    deadline_ms: int = 600_000
    stream_idle_ms: int = 60_000
    max_response_bytes: int = 256 << 20
    max_text_bytes: int = 128 << 20
    max_file_bytes: int = 8 << 30
    max_error_bytes: int = 1 << 20
    concurrency: int = 8
    retries: Backoff = Backoff()
    raw_retries: Backoff = Backoff(0, 200, 600_000, 0.2)
    max_retry_after_ms: int = 120_000
    budget_capacity: int = 500
    budget_cost: int = 5
    legacy_max_tokens: int = 2_048
    default_context_tokens: int = 32_000


def policies(raw: Mapping[str, Any]) -> Policies:
    """Return the manifest's `policies`; those that it does not set have their defaults."""
    default = Policies()
    budget = raw.get("retryBudget", {})
    return Policies(
        deadline_ms=raw.get("deadlineMs", default.deadline_ms),
        stream_idle_ms=raw.get("streamIdleMs", default.stream_idle_ms),
        max_response_bytes=raw.get("maxResponseBytes", default.max_response_bytes),
        max_text_bytes=raw.get("maxTextBytes", default.max_text_bytes),
        max_file_bytes=raw.get("maxFileBytes", default.max_file_bytes),
        max_error_bytes=raw.get("maxErrorBytes", default.max_error_bytes),
        concurrency=raw.get("concurrency", default.concurrency),
        retries=_backoff(raw.get("retries", {}), default.retries),
        raw_retries=_backoff(raw.get("rawRetries", {}), default.raw_retries),
        max_retry_after_ms=raw.get("maxRetryAfterMs", default.max_retry_after_ms),
        budget_capacity=budget.get("capacity", default.budget_capacity),
        budget_cost=budget.get("cost", default.budget_cost),
        legacy_max_tokens=raw.get("legacyMaxTokens", default.legacy_max_tokens),
        default_context_tokens=raw.get("defaultContextTokens", default.default_context_tokens),
    )


def _backoff(raw: Mapping[str, Any], default: Backoff) -> Backoff:
    jitter = raw.get("jitter", default.jitter)
    return Backoff(
        max_retries=raw.get("maxRetries", default.max_retries),
        base_ms=raw.get("baseMs", default.base_ms),
        cap_ms=raw.get("capMs", default.cap_ms),
        jitter=None if jitter == "full" else jitter,
    )
