"""The state of one invocation that all its attempts share: clock, deadline, notes for `meta`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError, Sent
from connector.policy.clock import SYSTEM_CLOCK, Clock
from connector.policy.deadline import Deadline
from connector.policy.limits import Policies
from connector.policy.throttle import Throttle
from connector.policy.usage import add_up
from connector.runtime import debugging

Cost = tuple[float, str | None]
"""An amount of money, and the day of the oldest price that it was computed with."""

_SENT = ("no", "rejected", "unknown")


def worst_sent(sent: Sent, other: Sent) -> Sent:
    """Return the one of two values of `sent` that means that more may have been done and billed."""
    return max(sent, other, key=_SENT.index)


class DryRunDone(Exception):
    """Ends a handler in a dry run once its request is recorded. A caller never sees it."""


class Context:
    """The state of one invocation that all its attempts share. Safe in threads.

    `timeout_ms` limits the whole invocation; it cannot exceed the manifest's deadline.
    `max_retries` replaces the manifest's number for the named actions. None keeps the manifest's
    value. `throttle` paces the attempts, if there is one.
    """

    def __init__(
        self,
        policies: Policies,
        clock: Clock = SYSTEM_CLOCK,
        name: str = "",
        *,
        dry_run: bool = False,
        timeout_ms: float | None = None,
        max_retries: int | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.policies = policies
        self.throttle = throttle
        self.clock = clock
        self.name = name
        limit_ms = policies.deadline_ms
        self._timeout = None if timeout_ms is None else min(timeout_ms, limit_ms) / 1000
        seconds = limit_ms / 1000 if self._timeout is None else self._timeout
        self.deadline = Deadline(seconds, clock.monotonic)
        self.retries = policies.retries
        if max_retries is not None:
            self.retries = self.retries._replace(max_retries=max_retries)
        self.dry_run: list[dict[str, Any]] | None = [] if dry_run else None
        self.warnings: list[str] = []
        self.attempts = 0
        self.sent: Sent = "no"
        self.usage: dict[str, Any] | None = None
        self.cost: Cost | None = None
        self.request_id: str | None = None
        self.http_status: int | None = None
        self.headers: Mapping[str, str] | None = None
        self.fan_outs: list[Any] = []
        self.received: Any = None
        self.shows_response = False
        self.told: dict[str, Any] = {}
        self.replaced_model = False
        self.mask: Callable[[str], str] = str
        """Removes the secrets of the connection from a text."""
        self._billable = self._costed = 0
        self._lock = threading.Lock()

    def warn(self, text: str) -> None:
        """Add a warning to the result, only once if it is given more often."""
        with self._lock:
            if text not in self.warnings:
                self.warnings.append(text)

    def begin(self) -> None:
        """Count an attempt."""
        self.check()
        with self._lock:
            self.attempts += 1

    def settle(self, sent: Sent) -> None:
        """Add the `sent` of an attempt to that of the invocation."""
        with self._lock:
            self.sent = worst_sent(self.sent, sent)
            self._billable += sent == "unknown"

    def defect(self, error: Exception) -> ConnectorError:
        """Return the error of an unexpected exception, and log it."""
        debugging.show(error, self.mask)
        # Only its type and place, because its text may contain anything.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace else None
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno}" if code and trace else "?"
        import logging  # here: most processes never need it

        kind = type(error).__name__
        log = logging.getLogger("connector")
        log.error("internal error in %s: %s at %s", self.name, kind, place)
        hint = f"Set {debugging.VARIABLE}=1 to see the traceback."
        message = f"{kind} at {place}."
        return ConnectorError("internal_error", message, sent=self.sent, hint=hint)

    def check(self, sent: Sent = "no") -> None:
        """Raise ConnectorError if the action was cancelled or its time is over."""
        self.deadline.check(sent=sent)

    def wait(self, seconds: float) -> None:
        """Sleep, at most until the action is cancelled or its time is over."""
        self.check()
        self.clock.sleep(min(seconds, self.deadline.remaining()), self.deadline.cancelled)
        self.check()

    def limit_time(self, seconds: float) -> None:
        """Limit the whole invocation to `seconds`, or to its caller's shorter limit."""
        self.deadline.limit(seconds if self._timeout is None else min(seconds, self._timeout))

    def is_received(self, data: Any, path: Iterable[str | int]) -> bool:
        """Whether the value at `path` in `data` is inside an object of the latest response."""
        received = {id(node) for node in _nodes(self.received)}
        node = data
        for part in (None, *path):
            node = data if part is None else _child(node, part)
            if id(node) in received:
                return True
        return False

    def note(self, response: Any) -> None:
        """Record what `meta` says about the latest response."""
        self.http_status = response.status
        self.headers = response.headers
        self.request_id = response.request_id or self.request_id

    def add_usage(self, usage: Any) -> None:
        """Add a provider's usage object to that of the whole invocation."""
        if isinstance(usage, dict):
            with self._lock:
                self.usage = add_up(self.usage or {}, usage)

    def add_cost(self, amount: float, day: str | None) -> None:
        """Add what a response cost, by prices of this day. A response that is not added has
        unknown costs."""
        with self._lock:
            self._costed += 1
            total, oldest = self.cost or (0.0, day)
            days = [known for known in (oldest, day) if known is not None]
            self.cost = total + amount, min(days, default=None)

    def add_free(self) -> None:
        """Note that the latest response cost nothing."""
        with self._lock:
            self._costed += 1

    def known_cost(self) -> Cost | None:
        """Return what all responses cost; None if the cost of one, or of an attempt that may have
        been billed, is unknown."""
        return self.cost if self._costed == self._billable else None


def _nodes(value: Any) -> Iterator[Any]:
    """Yield the objects and lists of JSON data."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict | list):
            yield node
            pending.extend(node.values() if isinstance(node, dict) else node)


def _child(node: Any, part: str | int) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):  # missing
        return None
