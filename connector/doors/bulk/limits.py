"""Decides when each attempt may begin, so that the provider's limits are used and not exceeded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from connector.doors.bulk.buckets import Bucket, LocalBucket
from connector.errors import ConnectorError
from connector.providers import rate_limits
from connector.result import Result

_SHARE = 0.97
"""How much of a limit is used: a little less than all, because clocks and counts differ."""

_LEAST = 0.1
_FIRST_GUESS, _LEAST_GUESS = 60.0, 6.0
"""Requests per minute, where the provider does not say its limit."""

_SLOWER = 0.9
_FASTER, _PROBING = 0.005, 0.0005
"""Growth in a second: up to where the provider refused, and beyond it."""

_LONG_SECONDS = 180.0
"""After so long without a 429 the rate grows fast again."""

_QUIET_SECONDS = 2.0
"""What is refused within it was sent before the rate went down."""

_TOKENS_PER_BYTE = 0.3
"""An estimate until the first usage is known."""

_FIRST_WAIT = 0.02

_LIMITS = {"requests": "limitRequests", "tokens": "limitTokens"}


class Limiter:
    """Paces the attempts of a run. Safe in threads.

    `requests` and `tokens` are limits per minute. Where one is None, it is what the provider's
    headers say. If they say nothing, 429 responses show how many requests pass. After a 429 the
    rate goes down by a tenth and grows again. `minute` is in seconds.
    """

    def __init__(
        self,
        requests: float | None = None,
        tokens: float | None = None,
        *,
        minute: float = 60.0,
        now: Callable[[], float] = time.monotonic,
        buckets: Mapping[str, Bucket] | None = None,
    ) -> None:
        given = {"requests": requests, "tokens": tokens}
        self._limits = {name: limit for name, limit in given.items() if limit is not None}
        self._is_given = frozenset(self._limits)
        self._buckets = buckets or {name: LocalBucket(now) for name in _LIMITS}
        self._minute = minute
        self._now = now
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._is_guess = False
        self._scale = self._wall = 1.0
        self._passed = 0
        self._since = self._grown = now()
        self._quiet_until = 0.0
        # Until the first response nothing is known: one request asks, the others wait for it.
        self._knows = bool(self._limits)
        self._asks = False

    def turn(self, size: int) -> Turn:
        """Return what paces the attempts of one row, whose inputs have `size` bytes."""
        return Turn(self, size)

    def acquire(self, size: int, wait: Callable[[float], object]) -> float:
        """Return when an attempt may begin, with the tokens that it was counted for.

        It gives up waiting if `wait` returns something true.
        """
        with self._turn:  # in turns, so that a wait ends when it said
            while (seconds := self._wait()) > 0:
                if wait(seconds):
                    return 0.0
            with self._lock:
                self._asks = True
            tokens = size * self._tokens_per_byte
            self._take("requests", 1)
            self._take("tokens", tokens)
        return tokens

    def observe(self, headers: Mapping[str, str], error: ConnectorError | None) -> None:
        """Learn from a response."""
        told = rate_limits.read(headers) or {}
        with self._lock:
            self._knows = True
            for name, key in _LIMITS.items():
                if name not in self._is_given and told.get(key):
                    if self._is_guess:
                        self._limits.clear()
                        self._is_guess, self._scale, self._wall = False, 1.0, 1.0
                    self._limits[name] = told[key]
            self._grow()
            if error is None or error.code != "rate_limited":
                self._passed += 1
            else:
                self._slow_down((error.retry_after_ms or 0) / 1000)

    def settle(self, charged: float, size: int, result: Result) -> None:
        """Count the tokens that a row has used in place of its estimate."""
        usage = result.meta.get("usage") or {}
        used = int(usage.get("total_tokens") or 0)
        self._take("tokens", used - charged)
        with self._lock:
            self._knows = True  # even if there was no response at all
            if used and size:
                self._tokens_per_byte += (used / size - self._tokens_per_byte) / 10

    def _rate(self, name: str) -> float | None:
        limit = self._limits.get(name)
        return None if limit is None else limit * self._scale * _SHARE / self._minute

    def _wait(self) -> float:
        with self._lock:
            if not self._knows and self._asks:
                return _FIRST_WAIT
            self._grow()
            rates = {name: rate for name in _LIMITS if (rate := self._rate(name)) is not None}
        return max((self._buckets[name].wait(rate) for name, rate in rates.items()), default=0.0)

    def _take(self, name: str, amount: float) -> None:
        rate = self._rate(name)
        if rate is not None and amount:
            self._buckets[name].take(amount, rate)

    def _grow(self) -> None:
        """Let the rate grow with the time; the lock is held."""
        now = self._now()
        seconds = (now - self._grown) * 60 / self._minute
        self._grown = now
        if self._is_guess or self._scale < 1:
            since = (now - self._since) * 60 / self._minute
            is_safe = self._scale < self._wall or since > _LONG_SECONDS
            self._scale *= 1 + seconds * (_FASTER if is_safe else _PROBING)
            if not self._is_guess:
                self._scale = min(1.0, self._scale)

    def _slow_down(self, retry_after: float) -> None:
        """Lower the rate after a 429; the lock is held."""
        now = self._now()
        for name in self._limits:
            self._buckets[name].hold(retry_after)
        if now < self._quiet_until:
            return
        second = self._minute / 60
        passed = self._passed / max(now - self._since, second) * self._minute
        if not self._limits:
            self._limits["requests"] = max(passed, _FIRST_GUESS)
            self._is_guess = True
        elif self._is_guess:
            # What has passed since the last 429 is what the provider lets pass.
            limit = self._limits["requests"]
            share = passed / limit / self._scale if passed else 0.5
            least = min(1.0, _LEAST_GUESS / limit)
            self._wall = max(self._scale * min(1.0, max(share, _LEAST)), least)
            self._scale = self._wall * _SLOWER
            self._wall *= _SHARE
        else:
            self._wall = self._scale * _SHARE
            self._scale = max(self._scale * _SLOWER, _LEAST)
        self._quiet_until = now + retry_after + _QUIET_SECONDS * second
        self._since, self._passed = now, 0


class Turn:
    """Paces the attempts of one row; a `policy.throttle.Throttle`. Safe in threads."""

    def __init__(self, limiter: Limiter, size: int) -> None:
        self._limiter = limiter
        self._size = size
        self._charged = 0.0
        self._is_ready = False
        self._lock = threading.Lock()

    def wait(self, stopped: threading.Event) -> None:
        """Wait until the row's first attempt may begin, or until the run is stopped.

        This time does not count for the deadline of the row's call.
        """
        self._add(self._limiter.acquire(self._size, stopped.wait))
        self._is_ready = True

    def begin(self, size: int, wait: Callable[[float], object]) -> None:
        with self._lock:
            ready, self._is_ready = self._is_ready, False
        if not ready:
            self._add(self._limiter.acquire(size, wait))

    def end(self, headers: Mapping[str, str], error: ConnectorError | None) -> None:
        self._limiter.observe(headers, error)

    def settle(self, result: Result) -> None:
        """Learn what the row has used."""
        self._limiter.settle(self._charged, self._size, result)

    def _add(self, tokens: float) -> None:
        with self._lock:
            self._charged += tokens
