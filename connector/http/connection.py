"""One TCP connection: resolved, checked and dialled by us, read strictly.

What urllib3 leaves to the standard library is tightened here: the peer's address is checked
before a byte leaves, and a TLS stream that breaks off has not ended. `answer` reads what comes
back.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import socket
import ssl
import threading
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from connector.http.dialing import dial
from connector.http.response_head import StrictResponse
from connector.policy.deadline import Deadline
from connector.runtime import threads


class Exchange:
    """One attempt as its connection sees it: the time it has, whether anything left, whether its
    connection is its own (`fresh`), and whether its socket was shut down from outside (`cut`).

    It keeps the socket itself: the connection forgets its own when the answer will end with it.
    """

    __slots__ = ("_guarded", "_sock", "cut", "deadline", "fresh", "sent")

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.sent = False
        self.fresh = False
        self.cut = False
        self._sock: Any = None
        self._guarded = False

    def guard(self, sock: Any) -> None:
        """Let the deadline end whatever `sock` does, for the rest of the attempt."""
        self._sock = sock
        if not self._guarded:
            self._guarded = True
            self.deadline.attach(self)
        elif self.cut:
            self.hang_up()

    def hang_up(self) -> None:
        """Shut the socket down, so that whoever reads or writes it returns at once."""
        self.cut = True
        sock = self._sock
        # Not sock.shutdown: on a TLS socket that would also tear the session's state from under
        # the thread that uses it. TLS within TLS (a proxy) keeps its socket one level deeper.
        sock = getattr(sock, "socket", sock)
        if sock is not None:
            with contextlib.suppress(OSError):  # closed meanwhile: nobody waits for it any more
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> bool:
        """Let go of the socket; False where it was hung up, or is about to be."""
        if not self._guarded:
            return not self.cut
        self._guarded = False
        free = self.deadline.detach(self)
        self._sock = None
        return free and not self.cut


current = threading.local()
"""`current.exchange` is the attempt of this thread: urllib3 has no way to pass it along."""


class Secured(ssl.SSLSocket):
    """A TLS socket that can be hung up while it shakes hands, and that reports a stream which
    ends without TLS's own end: a body that ends with its connection may have been cut short."""

    def do_handshake(self, block: bool = False) -> None:
        current.exchange.guard(self)
        self.suppress_ragged_eofs = False
        super().do_handshake(block)


class _Checked:
    """What both kinds of connection do more than urllib3's."""

    response_class = StrictResponse
    plain = True
    debuglevel = 0  # whatever was set for all: the standard library would print the key

    def _new_conn(self: Any) -> socket.socket:
        exchange: Exchange = current.exchange
        sock = dial(self._dns_host, self.port, self.plain, exchange.deadline, exchange.guard)
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc] # of the urllib3 class beside this one
        finally:
            current.exchange.fresh = True
            current.exchange.sent = False  # a proxy may have seen CONNECT, nobody the request

    def send(self: Any, data: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange: Exchange = current.exchange
        exchange.guard(self.sock)
        exchange.sent = True
        try:
            super().send(data)  # type: ignore[misc] # of the urllib3 class beside this one
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # As on a plain socket, where urllib3 goes on to read what the server said before.
            raise BrokenPipeError from None

    def getresponse(self: Any) -> Any:
        # By turns, not in one system call: what an engine raises into this thread through the
        # interpreter is delivered only where Python code runs.
        waiting = not getattr(self.sock, "pending", int)()
        while waiting and not wait_for_read(self.sock, threads.TURN_SECONDS):
            continue
        return super().getresponse()  # type: ignore[misc] # of the urllib3 class beside this one


class _Plain(_Checked, HTTPConnection):  # type: ignore[misc] # response_class: not in the stubs
    pass


class _Secure(_Checked, HTTPSConnection):  # type: ignore[misc] # response_class: not in the stubs
    plain = False


class _Idle:
    """The idle connections of a pool, the latest first.

    urllib3's `queue.LifoQueue` takes its locks in Python code: an interrupt just then leaves one
    held, and the next call waits for ever. A deque needs none.
    """

    def __init__(self, maxsize: int) -> None:
        self._most = maxsize
        self._kept: collections.deque[Any] = collections.deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            return self._kept.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = False) -> None:
        if len(self._kept) >= self._most:
            raise queue.Full
        if item is not None:  # a mere place, of which there is no want
            self._kept.append(item)

    def qsize(self) -> int:
        return len(self._kept)


class _Guarded:
    """What both kinds of pool do more than urllib3's."""

    def _put_conn(self: Any, conn: Any) -> None:
        # Before the next attempt can have it: this one's deadline must not end that one's work.
        exchange: Exchange | None = getattr(current, "exchange", None)
        if conn is not None and exchange is not None and not exchange.close():
            conn.close()
            conn = None
        super()._put_conn(conn)  # type: ignore[misc] # of the urllib3 class beside this one


class _PlainPool(_Guarded, HTTPConnectionPool):
    ConnectionCls = _Plain
    QueueCls = _Idle  # type: ignore[assignment] # all that is used of a queue


class _SecurePool(_Guarded, HTTPSConnectionPool):
    ConnectionCls = _Secure
    QueueCls = _Idle  # type: ignore[assignment] # all that is used of a queue


POOLS = {"http": _PlainPool, "https": _SecurePool}
