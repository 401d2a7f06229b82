"""Runs rows: skips what is done, calls the rest, commits each result before its slot is free."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from connector.doors.bulk.limits import Limiter, Turn
from connector.doors.bulk.store import Store, Stored
from connector.errors import ConnectorError
from connector.result import Result, failed

_BATCH = 500
"""Rows that are looked up in the results together."""

_STOPS = ("authentication_failed", "quota_exhausted", "invalid_connection")
"""After these no other row can succeed. The rows keep no result, so that they run again."""

_PATIENCE = 20
"""How often a row is called again after a 429: the limit is no fault of the row."""

_MOST_IN_A_ROW = 100
"""After so many failures that a later call might not have, nothing else is begun."""


class Job(NamedTuple):
    """One row to call. `size` is that of its inputs in bytes, `error` why it cannot be called."""

    number: int
    key: str
    inputs: dict[str, Any]
    size: int = 0
    error: ConnectorError | None = None


class Progress(Protocol):
    """Is told of the run."""

    def skipped(self, ok: bool) -> None: ...

    def finished(self, result: Result) -> None: ...


class Outcome(NamedTuple):
    """What became of a run: `stopped_by` is the error that ended it early, None for none.

    `failed` of the `called` rows failed now, `failed_before` of the `skipped` ones earlier.
    """

    called: int
    skipped: int
    failed: int
    failed_before: int
    stopped_by: ConnectorError | None


class Runner:
    """One run. `stop` lets calls under way end and begins no other."""

    def __init__(
        self,
        store: Store,
        call: Callable[[Job, Turn], Result],
        limiter: Limiter,
        progress: Progress,
        *,
        concurrency: int,
        retry_failed: bool = False,
    ) -> None:
        self._store = store
        self._call = call
        self._limiter = limiter
        self._progress = progress
        self._concurrency = concurrency
        self._retry_failed = retry_failed
        self._jobs: queue.Queue[Job | None] = queue.Queue(concurrency)
        self._writer = _Writer(store)
        self._under_way: set[str] = set()
        self._lock = threading.Lock()
        self._called = self._skipped = self._failed = self._failed_before = 0
        self._in_a_row = 0
        self._stopped_by: ConnectorError | None = None
        self._defect: BaseException | None = None
        self.stopped = threading.Event()

    def stop(self) -> None:
        """Begin no other row. It may be called from a signal handler."""
        self.stopped.set()

    def run(self, jobs: Iterable[Job]) -> Outcome:
        """Run all jobs that have no result yet. Raises StoreError where one cannot be kept."""
        threads = [
            threading.Thread(target=self._work, name=f"bulk-{number}", daemon=True)
            for number in range(self._concurrency)
        ]
        self._writer.start()
        for thread in threads:
            thread.start()
        try:
            for job in self._pending(jobs):
                if not self._offer(job):
                    break
        finally:
            for _ in threads:
                self._offer_end()
            for thread in threads:
                thread.join()
            self._writer.close()
        if self._defect is not None:
            raise self._defect
        return Outcome(
            self._called, self._skipped, self._failed, self._failed_before, self._stopped_by
        )

    def _pending(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yield the jobs without a result, each key once."""
        source = iter(jobs)
        while batch := list(itertools.islice(source, _BATCH)):
            # In this order: what ends in between has its result committed.
            under_way = self._under_way.copy()
            done = self._store.done([job.key for job in batch])
            if self._retry_failed:
                done = {key: ok for key, ok in done.items() if ok}
            done |= dict.fromkeys(under_way, True)  # what becomes of them is counted elsewhere
            for job in batch:
                if job.key in done:
                    self._skip(done[job.key])
                    continue
                done[job.key] = True
                self._under_way.add(job.key)
                yield job

    def _skip(self, ok: bool) -> None:
        self._skipped += 1
        self._failed_before += not ok
        self._progress.skipped(ok)

    def _offer(self, job: Job) -> bool:
        """Give a job to a free slot; False where the run has been stopped."""
        while not self.stopped.is_set():
            try:
                self._jobs.put(job, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _offer_end(self) -> None:
        while True:
            try:
                self._jobs.put(None, timeout=0.1)
                return
            except queue.Full:
                continue

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self.stopped.is_set():
                continue
            try:
                self._run(job)
            except BaseException as defect:  # noqa: BLE001 - raised again by `run`
                self._defect = self._defect or defect
                self.stopped.set()
            finally:
                self._under_way.discard(job.key)  # its result is committed

    def _run(self, job: Job) -> None:
        result = failed(job.error) if job.error is not None else self._result(job)
        if result is None:
            return
        error = result.error
        if error is not None and error.code in _STOPS:
            self._stop_by(error)
            return
        if error is not None and error.code == "cancelled":
            return
        self._writer.write(Stored(job.key, job.number, result.to_dict()))
        with self._lock:
            self._called += 1
            self._failed += error is not None
            self._in_a_row = self._in_a_row + 1 if error is not None and error.retryable else 0
        self._progress.finished(result)
        if error is not None and self._in_a_row >= _MOST_IN_A_ROW:
            self._stop_by(error)

    def _result(self, job: Job) -> Result | None:
        """Return the result of a call; None where the run was stopped before."""
        for _ in range(_PATIENCE):
            turn = self._limiter.turn(job.size)
            turn.wait(self.stopped)
            if self.stopped.is_set():
                return None
            result = self._call(job, turn)
            turn.settle(result)
            error = result.error
            if error is None or error.code != "rate_limited" or not error.retryable:
                break
            self.stopped.wait((error.retry_after_ms or 0) / 1000)
        return result

    def _stop_by(self, error: ConnectorError) -> None:
        self._stopped_by = self._stopped_by or error
        self.stopped.set()


class _Writer:
    """One thread that commits what has gathered, and then lets the slots go."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[tuple[Stored, Future[None]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="bulk-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def write(self, result: Stored) -> None:
        """Return when the result is committed. Raises StoreError."""
        done: Future[None] = Future()
        self._waiting.put((result, done))
        done.result()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while not self._waiting.empty():
                more = self._waiting.get()
                if more is None:
                    self._waiting.put(None)
                    break
                batch.append(more)
            try:
                self._store.write([result for result, _ in batch])
            except BaseException as error:  # noqa: BLE001 - raised where the result was made
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)
