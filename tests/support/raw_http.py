"""Speaks to a server in bytes, as no HTTP client would."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any


class RawClient:
    """One socket. What the server does in its own time is waited for, not measured."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self._sock = socket.socket()
        if receive_buffer is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._sock.settimeout(30)
        try:
            self._sock.connect(("127.0.0.1", port))
        except OSError:
            self._sock.close()
            raise

    def send(self, data: bytes) -> RawClient:
        """Send, as far as the server still takes it."""
        with contextlib.suppress(ConnectionError):
            self._sock.sendall(data)
        return self

    def rest(self) -> bytes:
        """Return all that comes until the server hangs up."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := self._sock.recv(65536):
                found += piece
        return found

    def until(self, mark: bytes) -> bytes:
        """Return what comes, to the first `mark`."""
        found = b""
        while mark not in found:
            try:
                piece = self._sock.recv(1)
            except TimeoutError:
                piece = b""
            assert piece, found
            found += piece
        return found

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def post(path: str, payload: Any, *lines: str) -> bytes:
    """Return a request with a JSON body, and further lines of the head."""
    body = json.dumps(payload).encode()
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    head += [f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def get(path: str, *lines: str) -> bytes:
    """Return a request without a body."""
    head = [f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1")


def statuses(response: bytes) -> list[int]:
    """Return the statuses of all responses in what a server sent."""
    return [int(piece[:3]) for piece in response.split(b"HTTP/1.1 ")[1:]]


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something holds; the test fails by its own limit if it never does."""
    pause = threading.Event()
    for _ in range(3000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never happened")


@contextlib.contextmanager
def no_thread_left() -> Iterator[None]:
    """Fail if a thread outlives the block."""
    before = set(threading.enumerate())
    yield
    wait_for(lambda: set(threading.enumerate()) <= before)
