"""What one invocation carries through all its attempts: clock, time left, notes for `meta`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError, Sent
from connector.policy.clock import SYSTEM_CLOCK, Clock
from connector.policy.deadline import Deadline
from connector.policy.limits import Policies
from connector.policy.usage import add_up

_SENT = ("no", "rejected", "unknown")


def worst_sent(sent: Sent, other: Sent) -> Sent:
    """Return the one of two values of `sent` after which more may have been done and billed."""
    return max(sent, other, key=_SENT.index)


class DryRunDone(Exception):
    """Ends a handler in a dry run, once its request is noted. Never seen by a caller."""


class Context:
    """One invocation. Thread-safe: its attempts may run side by side."""

    def __init__(self, policies: Policies, clock: Clock = SYSTEM_CLOCK, name: str = "") -> None:
        self.policies = policies
        self.clock = clock
        self.name = name
        self.deadline = Deadline(policies.deadline_ms / 1000, clock.monotonic)
        self.warnings: list[str] = []
        self.attempts = 0
        self.sent: Sent = "no"
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

    def settle(self, sent: Sent) -> None:
        """Remember what became of an attempt: `sent` is that of the whole invocation."""
        with self._lock:
            self.sent = worst_sent(self.sent, sent)

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

    def check(self, sent: Sent = "no") -> None:
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
                self.usage = add_up(self.usage or {}, usage)
