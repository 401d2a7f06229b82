"""Runs calls on a bounded number of threads; a client that goes away cancels its call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from connector.policy.cancellation import Cancellation

T = TypeVar("T")


class Full(Exception):
    """Every slot is taken."""


class Slot(Generic[T]):
    """A call under way."""

    def __init__(self, future: asyncio.Future[T], cancel: Cancellation) -> None:
        self._future = future
        self._cancel = cancel

    async def result(self, request: Request) -> T | None:
        """Return what the call returns, or None if its client went away first.

        The call has then ended too.
        """
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((self._future, gone), return_when=asyncio.FIRST_COMPLETED)
            if not self._future.done():
                self._cancel.cancel()
                await asyncio.wait((self._future,))
                return None
            return self._future.result()
        except asyncio.CancelledError:  # the server stops
            self._cancel.cancel()
            raise
        finally:
            gone.cancel()


class Slots:
    """At most `count` calls at a time; no call waits for another one."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._threads = ThreadPoolExecutor(count, "connector-call")

    def start(self, work: Callable[[Cancellation], T]) -> Slot[T]:
        """Run `work` on a thread; the slot is free when it has ended. Raises Full."""
        if not self._free:
            raise Full
        self._free -= 1
        cancel = Cancellation()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, work, cancel)
        future.add_done_callback(self._release)
        return Slot(future, cancel)

    def _release(self, _: Any) -> None:
        self._free += 1

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
