"""Many calls side by side: bounded, in order, and stopped early where going on is useless."""

from __future__ import annotations

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
    workers = [_Worker(batch.drain, number) for number in range(min(concurrency, len(items)))]
    try:
        if not _start(workers):
            batch.drain()
        _wait(workers)
    except KeyboardInterrupt:
        call.interrupted = True
        call.deadline.cancel()
        _wait(workers)
    if batch.defect is not None:
        raise batch.defect
    return batch.outcomes()


class _Worker(threading.Thread):
    """A thread that says itself when it is done.

    `join` cannot be asked: in Python 3.11 one that a signal interrupts takes a running thread for
    one that has ended.
    """

    def __init__(self, drain: Callable[[], None], number: int) -> None:
        super().__init__(name=f"connector-{number}", daemon=True)
        self._drain = drain
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._drain()
        finally:
            self.done.set()


def _start(workers: Sequence[_Worker]) -> bool:
    """Start as many of the workers as the system allows; False where it allows none."""
    for worker in workers:
        try:
            worker.start()
        except RuntimeError:  # the process or the machine has no more threads to give
            return workers[0].ident is not None
    return True


def _wait(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        # By turns, not once: a signal that comes just before a wait begins does not end that wait.
        while worker.ident is not None and not worker.done.wait(0.5):
            pass


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
                if self.needs_all or error.code in _STOPS:
                    self.stopped_by = self.stopped_by or error
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                self.defect = error
                return
            self.results[index] = outcome
            with self._lock:
                self._done += 1
                done = self._done
            self._report(done)

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
            retryable=False,
            hint=cause.hint,
        )
