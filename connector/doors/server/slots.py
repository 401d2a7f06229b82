"""Runs calls on a bounded number of threads; a client that goes away cancels its call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from connector.doors.server.peer import Peer
from connector.doors.server.responses import full
from connector.policy.cancellation import Cancellation

T = TypeVar("T")


class Slots:
    """At most `count` calls at a time; no call waits for another one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: set[asyncio.Future[Any]] = set()
        self._threads = ThreadPoolExecutor(count, "connector-call")

    def start(self, peer: Peer, work: Callable[[Cancellation], T]) -> asyncio.Future[T]:
        """Run `work` on a thread; the slot is free when it has ended. Raises Refused.

        The cancellation is that of `peer`.
        """
        if len(self._running) >= self._count:
            raise full()
        cancel = Cancellation()
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, work, cancel)
        except RuntimeError:  # the process or the machine has no more threads to give
            raise full() from None
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        peer.attach(cancel)
        return asyncio.shield(future)  # a thread runs on when who waits for it is cancelled

    async def close(self) -> None:
        """Wait for the calls to end. The loop runs on meanwhile, because streams need it."""
        if self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown()
