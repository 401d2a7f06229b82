"""Runs a function for many items in threads, and stops early if no more items can succeed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from connector.errors import ConnectorError
from connector.policy.context import Context
from connector.runtime.interruptions import is_external
from connector.runtime.threads import ThreadGroup

T = TypeVar("T")

_STOPS = ("authentication_failed", "quota_exhausted", "internal_error")
"""After these no other item can succeed, so none is started."""


class FanOut(Generic[T]):
    """Runs `work` for each of `items` and keeps the outcomes in order, even if some fail.

    With `needs_all`, no item is started after the first failure, because the others are useless
    then.
    """

    def __init__(
        self,
        work: Callable[[Any], T],
        items: Sequence[Any],
        context: Context,
        progress: Callable[[int, int], None] | None = None,
        needs_all: bool = False,
    ) -> None:
        self._work = work
        self._items = items
        self._context = context
        self._progress = progress
        self._needs_all = needs_all
        self._results: list[T | ConnectorError | None] = [None] * len(items)
        self._stopped_by: ConnectorError | None = None
        self._threads = ThreadGroup(stray=context.deadline.end)
        self._next = 0
        self._done = 0
        self._lock = threading.Lock()

    def start(self, concurrency: int) -> None:
        """Start, with at most `concurrency` items at once."""
        for number in range(min(concurrency, len(self._items))):
            try:
                self._threads.start(self._drain)
            except RuntimeError:  # the process or the machine has no more threads
                if number == 0:
                    self._drain()
                return

    def outcomes(self) -> list[T | ConnectorError]:
        """Wait until no item is running, then return the outcomes.

        An item without an outcome is `cancelled`, whether it was started or not.
        """
        self._threads.wait()
        # In place, to avoid a second list of thousands of outcomes.
        for index, outcome in enumerate(self._results):
            if outcome is None:
                self._results[index] = self._skipped(index)
        return self._results  # type: ignore[return-value] # no None is left

    def _take(self) -> int | None:
        with self._lock:
            over = self._stopped_by or self._context.deadline.cancelled.is_set()
            if over or self._next >= len(self._items):
                return None
            self._next += 1
            return self._next - 1

    def _drain(self) -> None:
        while (index := self._take()) is not None:
            try:
                outcome: T | ConnectorError = self._work(self._items[index])
            except ConnectorError as error:
                error.__traceback__ = None  # its frames would keep every response alive
                outcome = error
                if self._needs_all or error.code in _STOPS or self._waits_too_long(error):
                    self._stopped_by = self._stopped_by or error
            except Exception as error:
                if is_external(error):
                    raise
                outcome = self._stopped_by = self._context.defect(error)
            self._results[index] = outcome
            with self._lock:
                self._done += 1
                done = self._done
            self._report(done)

    def _waits_too_long(self, error: ConnectorError) -> bool:
        """Whether the provider asked for a longer delay than an action waits."""
        context = self._context
        left = min(context.policies.max_retry_after_ms, context.deadline.remaining() * 1000)
        return error.code == "rate_limited" and (error.retry_after_ms or 0) > left

    def _report(self, done: int) -> None:
        if self._progress is None:
            return
        try:
            self._progress(done, len(self._items))
        except Exception as error:
            if is_external(error):
                raise
            self._progress = None
            self._context.warn("The progress function failed and was not called again.")

    def _skipped(self, index: int) -> ConnectorError:
        if index < self._next:
            message = "Interrupted while it was under way."
            return ConnectorError("cancelled", message, sent="unknown")
        cause = self._stopped_by
        if cause is None:
            return ConnectorError("cancelled", "Not started: the action was interrupted.")
        return ConnectorError(
            "cancelled",
            f"Not started: an earlier item failed with {cause.code}.",
            retryable=cause.retryable,
            retry_after_ms=cause.retry_after_ms,
            hint=cause.hint,
        )
