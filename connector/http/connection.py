"""urllib3's connections and pools with our own dialling, strict reading, and a deadline.

The peer's address is checked before anything is sent, and a TLS stream that breaks off is an error.
`response_head` reads the responses.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import functools
import queue
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from connector.http import request_head, turns
from connector.http.dialing import dial
from connector.http.reach import Reach
from connector.http.response_head import StrictResponse
from connector.policy.deadline import Deadline

Release = Callable[[bool], object]
"""Releases a connection; its argument says whether the response was read to its end."""


class Exchange:
    """The state of one attempt on its connection: its deadline and the hosts it may reach.

    `sent` says whether any part of the request was sent, `fresh` whether the connection was opened
    for this attempt, `cut` whether its socket was shut down from outside. The exchange keeps the
    socket too, because a connection drops its own if the response ends with the connection.
    """

    __slots__ = ("_guarded", "_sock", "cut", "deadline", "fresh", "reach", "sent")

    def __init__(self, deadline: Deadline, reach: Reach | None = None) -> None:
        self.deadline = deadline
        self.reach = reach
        self.sent = False
        self.fresh = False
        self.cut = False
        self._sock: Any = None
        self._guarded = False

    def guard(self, sock: Any) -> None:
        """Let the deadline shut `sock` down, for the rest of the attempt."""
        self._sock = sock
        if not self._guarded:
            self._guarded = True
            self.deadline.attach(self)
        elif self.cut:
            self.hang_up()

    def limit_wait(self, seconds: float) -> None:
        """Let the deadline end the attempt if the next piece takes longer than `seconds`."""
        if self._guarded:
            self.deadline.limit_wait(self, seconds)

    def hang_up(self) -> None:
        """Shut the socket down, so that a thread that reads or writes it returns at once."""
        self.cut = True
        sock = self._sock
        # Not sock.shutdown: on a TLS socket that would also destroy the session's state under
        # the thread that uses it. TLS within TLS (a proxy) keeps its socket one level deeper.
        sock = getattr(sock, "socket", sock)
        if sock is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def drop(self) -> None:
        """Close the socket; after an interrupt, no connection may own it yet."""
        if self._sock is not None:
            self._sock.close()

    def close(self) -> bool:
        """Release the socket. Return False if it was shut down, or is about to be."""
        if not self._guarded:
            return not self.cut
        free = self.deadline.detach(self)
        self._guarded = False  # after it, so that an interrupted `close` can be repeated
        self._sock = None
        return free and not self.cut


class TlsContext(ssl.SSLContext):
    """A TLS context whose handshakes the deadline can end.

    Its sockets report a stream that ends without a TLS closing message, because a body that ends
    with its connection may then be incomplete.
    """

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap a socket from `dial` in TLS and do the handshake."""
        options |= {"do_handshake_on_connect": False, "suppress_ragged_eofs": False}
        exchange = sock.exchange
        secured = super().wrap_socket(sock, *args, **options)
        try:
            exchange.guard(secured)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured


_EARLY = (errno.ECONNRESET, errno.EPIPE, errno.EPROTOTYPE)
"""Errors of a send after which a response may still be read, because the server sent one and closed
the connection."""

_TOGETHER_BYTES = 1 << 16
"""Up to this size a body is copied, so that head and body leave in one system call."""


class _Checked:
    """What both kinds of connection add to urllib3's."""

    exchange: Exchange
    response_class = StrictResponse
    plain = True
    debuglevel = 0  # ignore a global setting: the standard library would print the key

    def _new_conn(self: Any) -> socket.socket:
        exchange: Exchange = self.exchange
        sock = dial(
            self._dns_host, self.port, self.plain, exchange.deadline, exchange.guard, exchange.reach
        )
        sock.exchange = exchange
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc] # of the urllib3 class beside this one
            turns.begin(self.sock)
        finally:
            self.exchange.fresh = True
            self.exchange.sent = False  # a proxy may have seen CONNECT, nothing else was sent

    def send(self: Any, data: bytes) -> None:
        """Send all of `data`."""
        exchange: Exchange = self.exchange
        exchange.guard(self.sock)
        exchange.sent = True
        try:
            turns.send(self.sock, data, exchange.deadline)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # As on a plain socket: an early response may still be read.
            raise BrokenPipeError from None

    def ask(self: Any, method: str, head: bytes, body: bytes) -> StrictResponse:
        """Send a request and return its response, the body unread."""
        deadline: Deadline = self.exchange.deadline
        turns.start(self.sock, deadline)
        try:
            if len(body) <= _TOGETHER_BYTES:
                self.send(head + body)
            else:
                self.send(head)
                self.send(body)
        except OSError as error:
            if error.errno not in _EARLY and not isinstance(error, BrokenPipeError):
                raise
        turns.await_response(self.sock)
        stream: Any = turns.Readable(self.sock, deadline)  # in the place of a socket
        response = StrictResponse(stream, method=method)
        response.begin()
        return response


class _Plain(_Checked, HTTPConnection):  # type: ignore[misc] # response_class: not in the stubs
    pass


class _Secure(_Checked, HTTPSConnection):  # type: ignore[misc] # response_class: not in the stubs
    plain = False


class _Idle:
    """The idle connections of a pool, the latest first.

    urllib3's `queue.LifoQueue` takes its locks in Python code. An interrupt at that moment leaves a
    lock held, and the next call waits forever. A deque needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        self._most = maxsize
        self._kept: collections.deque[Any] = collections.deque()

    def take(self) -> Any:
        """Return the latest connection, None if there is none."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def get(self, block: bool = False) -> Any:
        """Return the latest connection for urllib3, which closes all when the pool is deleted."""
        if conn := self.take():
            return conn
        raise queue.Empty

    def put(self, item: Any, block: bool = False) -> None:
        """Keep a connection, or close it if the pool is full."""
        if item is None:  # urllib3's placeholder; not needed here
            return
        if len(self._kept) < self._most:
            self._kept.append(item)
        else:
            item.close()  # not `queue.Full`: urllib3 would log the host

    def close(self) -> None:
        """Close all of them."""
        while conn := self.take():
            conn.close()


class _Pool:
    """What both kinds of pool add to urllib3's."""

    def open(
        self: Any,
        exchange: Exchange,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        tunnel: bool,
    ) -> tuple[StrictResponse, Release]:
        """Send a request; return its response, the body unread, and what releases the connection.

        This replaces `urlopen`, which has no way to pass `exchange` along, prepares timeouts,
        retries and redirects for each request, and logs the target. `tunnel` means that the
        request goes through a proxy's CONNECT.
        """
        head = request_head.encoded(method, target, {"Host": self.host_in(target), **headers})
        conn = self.pool.take() or self.new_connection()
        conn.exchange = exchange
        try:
            if not conn.is_connected:  # new, or the server has closed it
                conn.close()
                if tunnel:
                    self._prepare_proxy(conn)
                else:
                    conn.connect()
            response = conn.ask(method, head, body or b"")
        except BaseException:
            conn.close()
            exchange.drop()
            raise
        return response, functools.partial(self.release, conn, response)

    def release(self: Any, conn: Any, response: StrictResponse, whole: bool) -> None:
        """Keep the connection if its response was read to the end, close it otherwise."""
        # A response is closed as well when it breaks off.
        if whole and response.isclosed() and not response.will_close:
            self._put_conn(conn)
        else:
            conn.exchange.close()
            response.close()
            conn.close()

    def host_in(self: Any, target: str) -> str:
        """Return the Host header for `target`, which is a whole URL if a proxy forwards it."""
        if not target.startswith("/"):
            return target.split("/", 3)[2]
        host = self.host.strip("[]").rstrip(".").partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        return host if self.port == self.ConnectionCls.default_port else f"{host}:{self.port}"

    def new_connection(self: Any) -> Any:
        """Return a connection to the host, or to its proxy, not yet opened."""
        # urllib3's own functions for this log the host, and a user may have put a key there.
        way = self.proxy or self
        return self.ConnectionCls(host=way.host, port=way.port, **self.conn_kw)

    def _put_conn(self: Any, conn: Any) -> None:
        # Before the next attempt can take it, which this attempt's deadline must not end.
        if conn is not None and not conn.exchange.close():
            conn.close()
            conn = None
        super()._put_conn(conn)  # type: ignore[misc] # of the urllib3 class beside this one


class _PlainPool(_Pool, HTTPConnectionPool):
    ConnectionCls = _Plain
    QueueCls = _Idle  # type: ignore[assignment] # all that is used of a queue


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _Secure
    QueueCls = _Idle  # type: ignore[assignment] # all that is used of a queue


POOLS = {"http": _PlainPool, "https": _SecurePool}
