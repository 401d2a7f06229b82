"""What paces one kind of thing, requests or tokens: one number, the time when the next may pass.

Libraries for this (`limits`, `pyrate-limiter`) keep an entry for each of the thousands of tokens of
a request, and none can give back what an estimate took too much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

BURST_SECONDS = 1.0
"""Unused time that may be made up for."""


class Bucket(Protocol):
    """Paces one kind of thing. Rates are per second; safe in threads."""

    def wait(self, rate: float) -> float:
        """Return the seconds until something may pass, 0 if it may now."""

    def take(self, amount: float, rate: float) -> None:
        """Let `amount` pass, and what comes later wait for it; a negative amount is given back."""

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so many seconds."""


class LocalBucket:
    """A bucket of this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._free_at = now()
        self._lock = threading.Lock()

    def wait(self, rate: float) -> float:
        return max(0.0, self._free_at - self._now())

    def take(self, amount: float, rate: float) -> None:
        with self._lock:
            earliest = max(self._free_at, self._now() - BURST_SECONDS)
            self._free_at = earliest + amount / rate

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._free_at = max(self._free_at, self._now() + seconds)
