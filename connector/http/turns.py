"""Reads and writes sockets in short turns.

The interpreter delivers an exception that an engine raises into a thread only while Python code
runs, so no read may block for long. Python's own timeouts would cost a `poll` for each read; here
the system itself ends one that blocks for a turn.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import struct
from typing import Any

from urllib3.util.wait import wait_for_read

from connector.policy.deadline import Deadline
from connector.runtime import threads

_TURN = struct.pack("ll", 0, int(threads.TURN_SECONDS * 1_000_000))
"""A `struct timeval`."""

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_READ_BYTES = 1 << 14
"""Read at once: most whole responses, and what one record of TLS holds."""


def begin(sock: Any) -> None:
    """Let each read and write of a connected socket block for one turn at most.

    Not on Windows, which may lose data when such a turn ends, and not for TLS within TLS, whose
    writes cannot be continued. These keep a timeout, see `start`.
    """
    if os.name == "posix" and isinstance(sock, socket.socket):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TURN)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TURN)
        sock.settimeout(0)  # Python neither waits nor repeats the call, ...
        os.set_blocking(sock.fileno(), True)  # ... but the system waits


def start(sock: Any, deadline: Deadline) -> None:
    """Prepare for an attempt."""
    if sock.gettimeout() != 0:
        sock.settimeout(max(deadline.remaining(), 0.001))


def send(sock: Any, data: bytes, deadline: Deadline) -> None:
    """Send all of `data`. Raises TimeoutError once the deadline is over."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except _NOT_YET:
            _check(deadline)


def await_response(sock: Any) -> None:
    """Wait in turns until there is something to read, where reads themselves take no turns."""
    waiting = sock.gettimeout() != 0 and not getattr(sock, "pending", int)()
    while waiting and not wait_for_read(sock, threads.TURN_SECONDS):
        continue


class Readable(io.RawIOBase):
    """What a socket receives during one attempt. Closing it leaves the socket open."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                received: int = self._sock.recv_into(buffer)
                return received
            except _NOT_YET:
                _check(self._deadline)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the stream that http.client asks of a socket."""
        return io.BufferedReader(self, _READ_BYTES)


def _check(deadline: Deadline) -> None:
    # The watchdog is quicker, but there may be none.
    if deadline.remaining() <= 0:
        raise TimeoutError
