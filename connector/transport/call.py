"""What one invocation carries through all its attempts: clock, time left, notes for `meta`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from connector.errors import ConnectorError
from connector.facts import Policies
from connector.transport.deadline import Deadline, Flag


def _sleep(seconds: float, cancelled: Flag) -> None:
    cancelled.wait(seconds)


def _random() -> float:
    import random  # only a retry needs chance

    return random.random()  # noqa: S311 - jitter, no secret


def _today() -> str:
    return time.strftime("%Y-%m-%d")


class Clock(NamedTuple):
    """Time and chance, so that tests can decide both.

    `sleep` takes seconds and the flag that ends it early; `today` is the date by which models
    have retired; `now` is in seconds since 1970.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float, Flag], None] = _sleep
    random: Callable[[], float] = _random
    today: Callable[[], str] = _today


REAL = Clock()


_SENT = ("no", "rejected", "unknown")


def worse(sent: str, other: str) -> str:
    """Return the one of two values of `sent` after which more may have been done and billed."""
    return max(sent, other, key=_SENT.index)


class Planned(Exception):
    """Ends a handler in a dry run, once its request is noted. Never seen by a caller."""


class Call:
    """One invocation. Thread-safe: its attempts may run side by side."""

    def __init__(self, policies: Policies, clock: Clock = REAL, name: str = "") -> None:
        self.policies = policies
        self.clock = clock
        self.name = name
        self.deadline = Deadline(policies.deadline_ms / 1000, clock.monotonic)
        self.warnings: list[str] = []
        self.attempts = 0
        self.sent = "no"
        self.usage: dict[str, Any] | None = None
        self.request_id: str | None = None
        self.http_status: int | None = None
        self.headers: Mapping[str, str] | None = None
        self.batches: list[Any] = []
        self.shows_answer = False
        self.replaced_model = False
        self._resume_at = 0.0
        self._lock = threading.Lock()

    def warn(self, text: str) -> None:
        """Add a warning to the result, once however often it is said."""
        with self._lock:
            if text not in self.warnings:
                self.warnings.append(text)

    def begin(self) -> None:
        """Count an attempt, after any pause that the provider asked for."""
        while (wait := self._resume_at - self.clock.monotonic()) > 0:
            if wait >= self.deadline.remaining() > 0:
                raise ConnectorError(
                    "rate_limited",
                    "The provider asked to wait for longer than the action may take.",
                    retry_after_ms=round(wait * 1000),
                )
            self.wait(wait)
        self.check()
        with self._lock:
            self.attempts += 1

    def settle(self, sent: str) -> None:
        """Remember what became of an attempt: `sent` is that of the whole invocation."""
        with self._lock:
            self.sent = worse(self.sent, sent)

    def defect(self, error: Exception) -> ConnectorError:
        """Return the error of a failure that nobody foresaw, and log it."""
        # Only the kind and the place: the text of an unforeseen exception may hold anything.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace else None
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno}" if code and trace else "?"
        import logging  # most processes never need it

        kind = type(error).__name__
        log = logging.getLogger("connector")
        log.error("internal error in %s: %s at %s", self.name, kind, place)
        return ConnectorError("internal_error", f"{kind} at {place}.", sent=self.sent)

    def check(self, sent: str = "no") -> None:
        """Raise ConnectorError where the action was cancelled or its time is over; `sent` is
        what has become of the request."""
        self.deadline.check(sent=sent)

    def wait(self, seconds: float) -> None:
        """Sleep, at most until the action is cancelled or its time is over."""
        self.check()
        self.clock.sleep(min(seconds, self.deadline.remaining()), self.deadline.cancelled)
        self.check()

    def pause(self, seconds: float) -> None:
        """Let no attempt of this invocation begin for `seconds`."""
        with self._lock:
            self._resume_at = max(self._resume_at, self.clock.monotonic() + seconds)

    def note(self, answer: Any) -> None:
        """Keep what `meta` says of the latest answer."""
        self.http_status = answer.status
        self.headers = answer.headers
        self.request_id = answer.request_id or self.request_id

    def add_usage(self, usage: Any) -> None:
        """Add a provider's usage object to that of the whole invocation."""
        if isinstance(usage, dict):
            with self._lock:
                self.usage = add(self.usage or {}, usage)


_MOST_COUNTS = 64
"""Counts of one object, and objects within it: a provider has a dozen."""


def add(total: Mapping[str, Any], more: Mapping[str, Any], nested: int = 2) -> dict[str, Any]:
    """Return two usage objects added up, counts of `nested` levels included.

    New names beyond _MOST_COUNTS are left out: thousands of answers may be added up.
    """
    result = dict(total)
    for key, value in more.items():
        old = result.get(key)
        if old is None and len(result) >= _MOST_COUNTS:
            continue
        if isinstance(value, dict) and nested:
            result[key] = add(old if isinstance(old, dict) else {}, value, nested - 1)
        elif _is_count(value):
            result[key] = value + (old if _is_count(old) else 0)
    return result


def _is_count(value: Any) -> bool:
    """Whether it can be added up: what no provider counts to could leave JSON's numbers."""
    return type(value) in (int, float) and 0 <= value < 2**53
