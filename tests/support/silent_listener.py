"""Ports that never answer: one that listens and is silent, one that refuses connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class SilentListener:
    """Accept connections and bytes and never answer: proves that a client sends nothing here.

    The kernel accepts them, and each property reads what it holds, so that nothing is still on its
    way when a test asks. A client that connects hangs until its own timeout.
    """

    def __enter__(self) -> SilentListener:
        self._listener = listening_socket()
        self._listener.setblocking(False)
        self._accepted: list[socket.socket] = []
        self._bytes = bytearray()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        for sock in [*self._accepted, self._listener]:
            sock.close()

    @property
    def port(self) -> int:
        return port_of(self._listener)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """The number of connections; readable after the block too."""
        self._look()
        return len(self._accepted)

    @property
    def bytes_received(self) -> bytes:
        """Everything that was sent on all connections; readable after the block too."""
        self._look()
        return bytes(self._bytes)

    def _look(self) -> None:
        if self._listener.fileno() < 0:
            return
        self._accepted += _pending(self._listener)
        for sock in self._accepted:
            self._bytes += _available(sock)


@contextmanager
def refused_port() -> Iterator[int]:
    """A port where connections are always refused: it is bound, and nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield port_of(holder)


def listening_socket() -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def _pending(listener: socket.socket) -> Iterator[socket.socket]:
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        yield sock


def _available(sock: socket.socket) -> bytes:
    content = b""
    try:
        while piece := sock.recv(65536):
            content += piece
    except OSError:  # no more for now, or reset
        pass
    return content
