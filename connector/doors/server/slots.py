"""Runs calls on a bounded number of threads; a client that goes away cancels its call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from connector.policy.cancellation import Cancellation

T = TypeVar("T")


class Full(Exception):
    """Every slot is taken."""


class Slots:
    """At most `count` calls at a time; no call waits for another one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self._threads = ThreadPoolExecutor(count, "connector-call")

    async def run(self, request: Request, work: Callable[[Cancellation], T]) -> T | None:
        """Run `work` on a thread and return its result, or None if the client went away first.

        The slot is free when the thread has ended. Raises Full.
        """
        if self.taken >= self.count:
            raise Full
        cancel = Cancellation()
        self.taken += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, work, cancel)
        future.add_done_callback(self._free)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                cancel.cancel()
                await asyncio.wait((future,))
                return None
            return future.result()
        except asyncio.CancelledError:  # the server stops
            cancel.cancel()
            raise
        finally:
            gone.cancel()

    def _free(self, _: Any) -> None:
        self.taken -= 1

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
