"""Reads the bodies of requests, within limits of size, time and memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from connector.doors.server.responses import Refused, full, invalid

_BYTES_PER_SECOND = 16 << 10
"""A body that comes more slowly than this, after the first seconds, is not waited for."""

_BODIES = 8
"""So many bodies of the largest size are held at a time, or more smaller ones."""


class Bodies:
    """All bodies that are held at a time, each of at most `size` bytes.

    A body that brings nothing for `seconds` is not waited for.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._free = _BODIES * size

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body; its memory counts until the end of the `with`. Raises Refused."""
        self._check_head(request)
        pieces: list[bytes] = []
        try:
            await self._read(request, pieces)
            yield b"".join(pieces)
        finally:
            self._free += sum(map(len, pieces))

    def _check_head(self, request: Request) -> None:
        headers = request.headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise invalid(415, "The body must be JSON: send Content-Type: application/json.")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise invalid(415, "The body must not be compressed.")
        if int(headers.get("content-length", "0")) > self._size:  # digits, says the parser
            raise self._too_large()

    async def _read(self, request: Request, pieces: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        size = 0
        try:
            async with asyncio.timeout(self._seconds) as limit:
                while True:
                    message = await request.receive()
                    if message["type"] != "http.request":
                        raise invalid(400, "The client went away before its body was complete.")
                    piece = message.get("body", b"")
                    pieces.append(piece)
                    size += len(piece)
                    self._free -= len(piece)
                    if size > self._size:
                        raise self._too_large()
                    if self._free < 0:
                        raise full()
                    if not message.get("more_body"):
                        return
                    slowest = start + size / _BYTES_PER_SECOND
                    limit.reschedule(self._seconds + min(loop.time(), slowest))
        except TimeoutError:
            close = {"Connection": "close"}
            raise invalid(408, "The body did not arrive in time.", close) from None

    def _too_large(self) -> Refused:
        return invalid(413, f"The body is larger than {self._size} bytes.")
