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

from .fault_responses import Received

# Only Linux reports that the peer has closed while unread bytes are left; other systems report a
# full close.
_CLOSED: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class PeerGone(Exception):
    """The client has closed or the server stops: the connection is over."""


class HangUp(Exception):
    """The script ends the connection here: with an RST if `reset`, else with a FIN."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class MalformedRequest(Exception):
    """What arrived is not an HTTP/1 request."""


class Peer:
    """A connected client. The server closes its socket, which ends any wait."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = sock.makefile("rb")
        self._poll = select.poll()
        self._poll.register(sock.fileno(), _CLOSED)

    def handshake(self) -> None:
        """Do the handshake of a TLS socket; raises `OSError` if the client refuses."""
        if isinstance(self._sock, ssl.SSLSocket):
            self._sock.do_handshake()

    def await_bytes(self) -> None:
        """Wait for the first byte of a request; raises `PeerGone` if the client has closed."""
        if not self._reader.peek(1):
            raise PeerGone

    def send(self, content: bytes) -> None:
        self._sock.sendall(content)

    def send_slowly(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send pieces; with a pause (in seconds), byte by byte."""
        for piece in pieces:
            if not pause:
                self.send(piece)
                continue
            for byte in piece:
                self.send(bytes([byte]))
                self.wait(pause)

    def wait(self, seconds: float | None) -> None:
        """Wait, forever if None; raises `PeerGone` as soon as the client or the server closes.

        A client that closes only its sending side counts as gone.
        """
        if seconds != 0 and self._poll.poll(None if seconds is None else seconds * 1000):
            raise PeerGone

    def hang(self) -> NoReturn:
        """Send nothing more until the client or the server closes."""
        self.wait(None)
        raise PeerGone

    def read_request(self) -> Received:
        """Read one whole request; raises `MalformedRequest`, or `PeerGone` if it is cut off."""
        method, target, version = _request_line(self._line())
        headers = self._headers()
        received = Received(method, target, headers, b"", version)
        if (received.header("expect") or "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return received._replace(body=self._body(received))

    def reset(self) -> None:
        """Make the next close an RST: pending bytes are dropped, and the client sees a reset."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def finish(self) -> None:
        """Send a clean end, then read until the client closes.

        On Linux a close with unread bytes would be an RST. The base class's methods are called,
        because those of `ssl.SSLSocket` use TLS.
        """
        with suppress(OSError, ValueError):
            self._say_goodbye()
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            while socket.socket.recv(self._sock, 65536):
                pass

    def close_reader(self) -> None:
        """Close the reader, which otherwise keeps the socket open."""
        self._reader.close()

    def _say_goodbye(self) -> None:
        """Send TLS close_notify without waiting for the client's."""
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
