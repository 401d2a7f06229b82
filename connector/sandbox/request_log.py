"""The log of received requests, for tests to inspect."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import NamedTuple

MOST_BYTES = 64 * 1024 * 1024


class Received(NamedTuple):
    """A request as it arrived; header names are lower case, the path is still encoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def size(self) -> int:
        """Roughly the bytes that it uses in memory."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.body) + 3 * len(self.path) + headers


class RequestLog:
    """The latest requests: at most `most`, and `MOST_BYTES` in total; the last one is always kept.

    Thread-safe.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[Received] = deque()
        self._bytes = 0
        self._lock = Lock()

    def add(self, received: Received) -> None:
        """Add a request; the oldest are dropped to make room."""
        with self._lock:
            self._kept.append(received)
            self._bytes += received.size
            while len(self._kept) > self._most or (
                self._bytes > MOST_BYTES and len(self._kept) > 1
            ):
                self._bytes -= self._kept.popleft().size

    def all(self) -> list[Received]:
        """Return the logged requests, oldest first."""
        with self._lock:
            return list(self._kept)

    def clear(self) -> None:
        """Remove all requests."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
