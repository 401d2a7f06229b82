"""Works on one chunk of rows; who calls it is the Celery worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.connector import Connector
from connector.doors.bulk.chunks import Chunk, Chunks
from connector.doors.bulk.limits import Limiter, Turn
from connector.doors.bulk.runner import Job, Runner
from connector.doors.bulk.store import Store
from connector.result import Result

Run = Mapping[str, Any]
"""What the chunks of a run have in common: `action`, `connection`, `concurrency`, limits."""


class _Quiet:
    """The coordinator shows the progress."""

    def skipped(self, ok: bool) -> None: ...

    def finished(self, result: Result) -> None: ...


class Worker:
    """What a process needs to work on chunks. `limiter` makes that of a run."""

    def __init__(
        self,
        store: Store,
        connector: Connector,
        limiter: Callable[[Run], Limiter],
    ) -> None:
        self._store = store
        self._chunks = Chunks(store)
        self._connector = connector
        self._make_limiter = limiter
        self._limiters: dict[tuple[Any, ...], Limiter] = {}

    def work(self, name: str) -> None:
        """Call the rows of a chunk, unless they are done or another worker is at them.

        Raises StoreError.
        """
        with self._store.claimed(name) as is_mine:
            chunk = self._chunks.begin(name) if is_mine else None
            if chunk is None:
                return
            outcome = self._runner(chunk).run(chunk.jobs)
            self._chunks.end(name, outcome.stopped_by)

    def _runner(self, chunk: Chunk) -> Runner:
        run = chunk.run
        limits = run["connection"], run["requestsPerMinute"], run["tokensPerMinute"]
        if limits not in self._limiters:
            self._limiters[limits] = self._make_limiter(run)

        def call(job: Job, turn: Turn) -> Result:
            if chunk.is_suspect:
                self._chunks.count_try(job.key)
            return self._connector.invoke(
                run["action"], job.inputs, run["connection"], throttle=turn
            )

        return Runner(
            self._store,
            call,
            self._limiters[limits],
            _Quiet(),
            # One row at a time, so that it is known which one ends the worker.
            concurrency=1 if chunk.is_suspect else run["concurrency"],
            retry_failed=run["retryFailed"],
        )
