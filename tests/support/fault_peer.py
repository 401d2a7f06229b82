"""The server's side of one connection: read a request, send, wait, hang up.

What is sent, and when, is decided in `fault_player`.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NoReturn

from .fault_answers import Received

# Only Linux tells that the peer has closed while unread bytes wait; elsewhere a full close shows.
_CLOSED: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class PeerGone(Exception):
    """The client closed, or the server stops: nothing is left to do on this connection."""


class HangUp(Exception):
    """The script says that the connection ends here; `reset` by RST, otherwise by FIN."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class MalformedRequest(Exception):
    """What arrived is no HTTP/1 request."""


class Peer:
    """A client that has connected. Its socket is closed by the server, which may stop any wait."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = sock.makefile("rb")
        self._poll = select.poll()
        self._poll.register(sock.fileno(), _CLOSED)

    def handshake(self) -> None:
        """Speak TLS when the socket does; raises `OSError` when the client refuses."""
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.do_handshake()

    def await_bytes(self) -> None:
        """Wait until the first byte of a request is there; raises `PeerGone` at the end."""
        if not self._reader.peek(1):
            raise PeerGone

    def send(self, content: bytes) -> None:
        self._sock.sendall(content)

    def send_slowly(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send pieces as they are, or byte by byte with a pause (in seconds) after each."""
        for piece in pieces:
            if not pause:
                self.send(piece)
                continue
            for byte in piece:
                self.send(bytes([byte]))
                self.wait(pause)

    def wait(self, seconds: float | None) -> None:
        """Wait, None for ever; raises `PeerGone` as soon as the client or the server leaves.

        A client that only closes its sending side counts as gone.
        """
        if seconds != 0 and self._poll.poll(None if seconds is None else seconds * 1000):
            raise PeerGone

    def hang(self) -> NoReturn:
        """Say nothing more, until the client or the server leaves."""
        self.wait(None)
        raise PeerGone

    def read_request(self) -> Received:
        """Read one request whole. Raises `MalformedRequest`, or `PeerGone` when it is cut."""
        method, target, version = _request_line(self._line())
        headers = self._headers()
        received = Received(method, target, headers, b"", version)
        if (received.header("expect") or "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return received._replace(body=self._body(received))

    def reset(self) -> None:
        """Make the coming close an RST: pending bytes are dropped, the client sees a reset."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """Send a clean end, then read on until the client leaves.

        A close with unread bytes would be an RST on Linux. The base class is called because
        `ssl.SSLSocket` speaks TLS in these methods.
        """
        with suppress(OSError, ValueError):
            self._say_goodbye()
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            while socket.socket.recv(self._sock, 65536):
                pass

    def close_reader(self) -> None:
        """Let go of the socket, which closes only when nothing reads from it."""
        self._reader.close()

    def _say_goodbye(self) -> None:
        """Send TLS's close_notify without waiting for the client's."""
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.settimeout(0)
            try:
                self._sock.unwrap()
            finally:
                self._sock.settimeout(None)

    def _line(self) -> str:
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise PeerGone
        return line.rstrip(b"\r\n").decode("latin-1")

    def _headers(self) -> list[tuple[str, str]]:
        headers = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon:
                raise MalformedRequest(line)
            headers.append((name, value.strip()))
        return headers

    def _body(self, received: Received) -> bytes:
        if "chunked" in (received.header("transfer-encoding") or "").lower():
            return self._chunks()
        return self._exactly(_number(received.header("content-length") or "0", 10))

    def _chunks(self) -> bytes:
        chunks = []
        while size := _number(self._line().partition(";")[0], 16):
            chunks.append(self._exactly(size))
            self._line()
        self._headers()  # the trailers
        return b"".join(chunks)

    def _exactly(self, size: int) -> bytes:
        content = self._reader.read(size)
        if len(content) < size:
            raise PeerGone
        return content


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise MalformedRequest(line)
    return parts[0], parts[1], parts[2]


def _number(text: str, base: int) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        number = -1
    if number < 0:
        raise MalformedRequest(text)
    return number
