"""A call as server-sent events: its events as they arrive, at last its result."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connector.text import strict_json

Outcome = tuple[int, bytes]
"""The status and the envelope of a result."""

_PING_SECONDS = 15.0
"""A proxy may close a connection on which nothing is sent for longer."""

_MOST = 16


class Queue:
    """The events of one call, from its thread to the server's; a full one makes the call wait."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST)
        self._is_closed = False

    def put(self, event: dict[str, Any] | None) -> None:
        """Add an event on the call's thread; None is the end."""
        data = None if event is None else _encoded(event["type"], strict_json.dumps(event))
        asyncio.run_coroutine_threadsafe(self._put(data), self._loop).result()

    async def _put(self, data: bytes | None) -> None:
        if not self._is_closed:
            await self._queue.put(data)

    def close(self) -> None:
        """Take no more events, and let the call go on that waits for room."""
        self._is_closed = True
        while not self._queue.empty():
            self._queue.get_nowait()

    async def get(self) -> bytes | None:
        """Return the next event, a comment if none has come for some time, None at the end."""
        try:
            return await asyncio.wait_for(self._queue.get(), _PING_SECONDS)
        except TimeoutError:
            return b": ping\n\n"


class EventResponse(Response):
    """The response that streams a call. `first` is the event that the queue has given already."""

    media_type = "text/event-stream"

    def __init__(self, result: asyncio.Future[Outcome], queue: Queue, first: bytes) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"  # nginx passes each event on at once
        self._result = result
        self._queue = queue
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        event: bytes | None = self._first
        try:
            while event is not None:  # to the end, also for a client that is gone: the call waits
                await send({"type": "http.response.body", "body": event, "more_body": True})
                event = await self._queue.get()
        finally:
            self._queue.close()
        last = _encoded("result", (await self._result)[1])
        await send({"type": "http.response.body", "body": last})


def _encoded(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
