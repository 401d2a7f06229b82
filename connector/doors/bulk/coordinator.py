"""Gives rows to workers in chunks, and waits until their results are committed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connector.doors.bulk.chunks import Chunks
from connector.doors.bulk.runner import Job, Outcome, Progress
from connector.doors.bulk.store import Store
from connector.errors import ConnectorError
from connector.result import Result

_ROWS = 50
_CHUNKS = 64
"""How many chunks wait or are under way: enough for many workers, and few rows in memory."""

_POLL_SECONDS = 0.2
_AGAIN_SECONDS = 15.0
"""A message may be lost with its broker or its worker. Another one of a chunk that is under way
does no harm."""


class Coordinator:
    """One run whose rows others call. `send` sends the name of a chunk to the workers.

    Chunks that an earlier run has left are waited for too.
    """

    def __init__(
        self,
        store: Store,
        chunks: Chunks,
        send: Callable[[str], None],
        run: Mapping[str, Any],
        progress: Progress,
        *,
        retry_failed: bool = False,
        again_seconds: float = _AGAIN_SECONDS,
    ) -> None:
        self._store = store
        self._chunks = chunks
        self._send = send
        self._run = run
        self._progress = progress
        self._retry_failed = retry_failed
        self._again_seconds = again_seconds
        self._open: dict[str, list[str]] = {}
        self._sent_at: dict[str, float] = {}
        self._called = self._skipped = self._failed = self._failed_before = 0
        self._stopped_by: ConnectorError | None = None
        self.stopped = threading.Event()
        self._left = threading.Event()

    def stop(self) -> None:
        """Give no other chunk away; a second time, do not wait for those under way either."""
        if self.stopped.is_set():
            self._left.set()
        self.stopped.set()

    def run(self, jobs: Iterable[Job]) -> Outcome:
        """Run all jobs that have no result yet. Raises StoreError."""
        self._open = self._chunks.open()
        self._sent_at = dict.fromkeys(self._open, 0.0)
        pending = self._pending(jobs)
        while not self._left.is_set():
            while len(self._open) < _CHUNKS and not self.stopped.is_set():
                chunk = list(itertools.islice(pending, _ROWS))
                if not chunk:
                    break
                name = self._chunks.add(self._run, chunk)
                self._open[name] = [job.key for job in chunk]
                self._sent_at[name] = 0.0
            self._send_due()
            if not self._open:
                break
            if not self._collect():
                time.sleep(_POLL_SECONDS)
        return Outcome(
            self._called, self._skipped, self._failed, self._failed_before, self._stopped_by
        )

    def _pending(self, jobs: Iterable[Job]) -> Iterator[Job]:
        source = iter(jobs)
        while batch := list(itertools.islice(source, 500)):
            under_way = {key for keys in self._open.values() for key in keys}
            done = self._store.done([job.key for job in batch])
            if self._retry_failed:
                done = {key: ok for key, ok in done.items() if ok}
            done |= dict.fromkeys(under_way, True)
            for job in batch:
                if job.key in done:
                    self._skipped += 1
                    self._failed_before += not done[job.key]
                    self._progress.skipped(done[job.key])
                    continue
                done[job.key] = True
                yield job

    def _send_due(self) -> None:
        now = time.monotonic()
        for name, sent in self._sent_at.items():
            if not sent or now - sent > self._again_seconds:
                self._send(name)
                self._sent_at[name] = now

    def _collect(self) -> bool:
        """Count the chunks that have ended; False if there were none."""
        ended = self._chunks.ended(list(self._open))
        for name, error in ended.items():
            self._sent_at.pop(name)
            for result in self._store.read(self._open.pop(name)).values():
                self._called += 1
                self._failed += not result["ok"]
                found = result["error"]
                self._progress.finished(
                    Result(
                        None,
                        found and ConnectorError(found["code"], found["message"]),
                        result["meta"],
                    )
                )
            if error is not None:
                self._stopped_by = ConnectorError(
                    error["code"], error["message"], hint=error.get("hint")
                )
                self.stopped.set()
        if ended:
            self._chunks.remove(list(ended))
        return bool(ended)
