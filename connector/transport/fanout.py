"""Many calls side by side: bounded, in order, and stopped early where going on is useless."""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from connector.errors import ConnectorError
from connector.transport.call import Call

T = TypeVar("T")

_STOPS = ("authentication_failed", "quota_exhausted")
"""After these no other item can succeed: none is launched any more."""


def run(
    work: Callable[[Any], T],
    items: Sequence[Any],
    concurrency: int,
    call: Call,
    progress: Callable[[int, int], None] | None = None,
    needs_all: bool = False,
) -> list[T | ConnectorError]:
    """Return what `work` returned or raised for each item, in order, whatever became of others.

    With `needs_all` the first failure stops new launches: without that item the others are of no
    use. On an interrupt what is finished is kept and the rest is `cancelled`; `call.interrupted`
    then says so.
    """
    batch = _Batch(work, items, call, progress, needs_all)
    crew = _Crew(batch.drain)
    try:
        if not crew.start(min(concurrency, len(items))):
            batch.drain()
        crew.wait()
    except KeyboardInterrupt:
        while crew.at_work() or not call.deadline.cancelled.is_set():
            with contextlib.suppress(KeyboardInterrupt):  # a second one changes nothing
                call.interrupted = True
                call.deadline.cancel()
                crew.wait()
    if batch.defect is not None:
        raise batch.defect
    return batch.outcomes()


class _Crew:
    """Threads that all do the same work, and are waited for.

    Not `threading.Thread`, whose start and end are events to wait for: see `deadline.Flag`.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._begun = 0
        self._ended: list[None] = []  # its length is a count that needs no lock
        self._end: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start(self, count: int) -> bool:
        """Start as many of `count` threads as the system allows; False where it allows none."""
        for number in range(count):
            try:
                _thread.start_new_thread(self._run, ())
            except RuntimeError:  # the process or the machine has no more threads to give
                return number > 0
            self._begun += 1
        return True

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.append(None)
            self._end.put(None)

    def at_work(self) -> bool:
        return len(self._ended) < self._begun

    def wait(self) -> None:
        """Return when all have ended."""
        while self.at_work():
            # By turns: a signal that comes just before a wait begins does not end that wait.
            with contextlib.suppress(queue.Empty):
                self._end.get(timeout=0.5)


class _Batch(Generic[T]):
    def __init__(
        self,
        work: Callable[[Any], T],
        items: Sequence[Any],
        call: Call,
        progress: Callable[[int, int], None] | None,
        needs_all: bool,
    ) -> None:
        self.work = work
        self.items = items
        self.call = call
        self.progress = progress
        self.needs_all = needs_all
        self.results: list[T | ConnectorError | None] = [None] * len(items)
        self.stopped_by: ConnectorError | None = None
        self.defect: Exception | None = None
        self._next = 0
        self._done = 0
        self._lock = threading.Lock()

    def _take(self) -> int | None:
        with self._lock:
            over = self.stopped_by or self.defect or self.call.deadline.cancelled.is_set()
            if over or self._next >= len(self.items):
                return None
            self._next += 1
            return self._next - 1

    def drain(self) -> None:
        while (index := self._take()) is not None:
            try:
                outcome: T | ConnectorError = self.work(self.items[index])
            except ConnectorError as error:
                error.__traceback__ = None  # its frames would keep every answer alive
                outcome = error
                if self.needs_all or error.code in _STOPS or self._waits_too_long(error):
                    self.stopped_by = self.stopped_by or error
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                self.defect = error
                return
            self.results[index] = outcome
            with self._lock:
                self._done += 1
                done = self._done
            self._report(done)

    def _waits_too_long(self, error: ConnectorError) -> bool:
        """Whether the provider wants to be left alone for longer than an action waits."""
        left = min(self.call.policies.max_retry_after_ms, self.call.deadline.remaining() * 1000)
        return error.code == "rate_limited" and (error.retry_after_ms or 0) > left

    def _report(self, done: int) -> None:
        if self.progress is None:
            return
        try:
            self.progress(done, len(self.items))
        except Exception:  # noqa: BLE001 - the caller's own; what is paid for is not lost over it
            self.progress = None
            self.call.warn("The progress function failed and was not called again.")

    def outcomes(self) -> list[T | ConnectorError]:
        # In place: of thousands of outcomes no second list is made.
        for index, outcome in enumerate(self.results):
            if outcome is None:
                self.results[index] = self._skipped(index)
        return self.results  # type: ignore[return-value] # no None is left

    def _skipped(self, index: int) -> ConnectorError:
        if index < self._next:
            message = "Interrupted while it was under way."
            return ConnectorError("cancelled", message, sent="unknown")
        cause = self.stopped_by
        if cause is None:
            return ConnectorError("cancelled", "Not started: the action was interrupted.")
        return ConnectorError(
            "cancelled",
            f"Not started: an earlier item failed with {cause.code}.",
            retryable=cause.retryable,
            retry_after_ms=cause.retry_after_ms,
            hint=cause.hint,
        )
