"""One connection: what can end it, how it waits, and whether its pool keeps it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.http import connection, turns
from connector.http.connection import POOLS, Exchange, _Idle
from connector.http.dialing import Dialled
from connector.http.reach import Reach
from connector.policy.deadline import Deadline
from connector.runtime import threads
from tests.support.fault_server import FaultServer, ca_file, refused_port
from tests.support.front import call
from tests.support.front import connection as to

GET = {"method": "GET"}


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of one connection; the second one waits for bytes for a while only."""
    left, right = socket.socketpair()
    with left, right:
        right.settimeout(60)
        yield left, right


# An attempt


def told(exchange: Exchange) -> tuple[bool, bool, bool]:
    return exchange.sent, exchange.fresh, exchange.cut


def test_a_new_attempt_has_sent_nothing_and_is_not_ended() -> None:
    exchange = Exchange(Deadline(60))
    assert told(exchange) == (False, False, False)
    assert exchange.close()


def test_an_attempt_without_a_socket_can_be_ended() -> None:
    exchange = Exchange(Deadline(60))
    exchange.hang_up()
    assert told(exchange) == (False, False, True)
    assert not exchange.close()


def test_an_attempt_whose_socket_is_closed_can_be_ended(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    exchange = Exchange(Deadline(60))
    exchange.guard(pair[0])
    pair[0].close()
    exchange.hang_up()
    assert exchange.cut is True
    assert not exchange.close()


def test_what_is_ended_is_the_socket_within_a_socket(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """As urllib3 wraps TLS within TLS."""

    class Wrapped:
        socket = pair[0]

    exchange = Exchange(Deadline(60))
    exchange.guard(Wrapped())
    exchange.hang_up()
    assert pair[1].recv(1) == b""
    exchange.close()


def test_the_end_of_a_deadline_shuts_both_directions(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    deadline = Deadline(60)
    exchange = Exchange(deadline)
    exchange.guard(pair[0])
    deadline.cancel()
    assert pair[1].recv(1) == b""
    assert pair[0].recv(1) == b""
    with pytest.raises(BrokenPipeError):
        pair[0].sendall(b"x")
    assert not exchange.close()


def test_an_attempt_lets_go_of_its_socket_more_than_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    exchange = Exchange(Deadline(60))
    exchange.guard(pair[0])
    assert exchange.close()
    assert exchange.close()
    exchange.hang_up()
    assert not exchange.close()
    pair[0].sendall(b"x")
    assert pair[1].recv(1) == b"x"


def test_an_attempt_is_not_free_while_its_deadline_ends_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Whichever of the two says so first."""

    class Late(Deadline):
        def detach(self, attempt: Any) -> bool:
            super().detach(attempt)
            return False

    class Hasty(Deadline):
        def detach(self, attempt: Any) -> bool:
            attempt.hang_up()
            return super().detach(attempt)

    for kind in (Late, Hasty):
        exchange = Exchange(kind(60))
        exchange.guard(pair[0])
        assert not exchange.close()


# The wait for a response


class Waited:
    """Waits for nothing, and says so many times that nothing has come yet."""

    def __init__(self, in_vain: int) -> None:
        self.in_vain = in_vain
        self.calls: list[tuple[Any, float | None]] = []

    def __call__(self, sock: Any, seconds: float | None = None) -> bool:
        self.calls.append((sock, seconds))
        return len(self.calls) > self.in_vain


class Timed:
    """A socket with a timeout of its own, as on Windows."""

    def gettimeout(self) -> float:
        return 60.0


class Decrypted(Timed):
    """A TLS socket with so many bytes of a record left, which no wait would see."""

    def __init__(self, count: int) -> None:
        self.count = count

    def pending(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("sock", "in_vain", "waits"),
    [
        (Timed(), 0, 1),
        (Timed(), 3, 4),
        (Decrypted(0), 0, 1),
        (Decrypted(0), 2, 3),
        (Decrypted(1), 0, 0),
        (Decrypted(100), 0, 0),
    ],
)
def test_a_response_is_waited_for_in_turns_until_there_is_something_to_read(
    monkeypatch: pytest.MonkeyPatch, sock: Any, in_vain: int, waits: int
) -> None:
    waited = Waited(in_vain)
    monkeypatch.setattr(turns, "wait_for_read", waited)
    turns.await_response(sock)
    assert waited.calls == [(sock, threads.TURN_SECONDS)] * waits


# Its socket


@pytest.mark.parametrize(("scheme", "plain"), [("http", True), ("https", False)])
def test_an_address_is_checked_by_whether_the_connection_is_encrypted(
    monkeypatch: pytest.MonkeyPatch, scheme: str, plain: bool
) -> None:
    """Over plain http a public address is refused, over TLS it is not."""
    given: list[tuple[Any, ...]] = []

    def dial(*arguments: Any) -> socket.socket:
        given.append(arguments)
        raise ConnectionRefusedError

    reach = Reach()
    exchange = Exchange(Deadline(60), reach)
    monkeypatch.setattr(connection, "dial", dial)
    conn = new_connection(scheme, "several.internal", 1, exchange)
    with pytest.raises(ConnectionRefusedError):
        conn.connect()
    assert given == [("several.internal", 1, plain, exchange.deadline, exchange.guard, reach)]


def new_connection(scheme: str, host: str, port: int, exchange: Exchange) -> Any:
    conn: Any = POOLS[scheme](host, port)._new_conn()
    conn.exchange = exchange
    return conn


def test_what_is_written_to_is_what_the_deadline_ends(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    exchange = Exchange(Deadline(60))
    conn = new_connection("http", "127.0.0.1", 1, exchange)
    conn.sock = pair[0]
    conn.send(b"x")
    assert pair[1].recv(1) == b"x"
    exchange.hang_up()
    assert pair[1].recv(1) == b""
    exchange.close()


def test_a_handshake_can_be_ended(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[socket.socket, socket.socket]
) -> None:
    """It has a socket of its own, which was none a moment before."""
    exchange = Exchange(Deadline(60))
    strict: list[bool] = []

    def shakes_hands(sock: Any, block: bool = False) -> None:
        strict.append(sock.suppress_ragged_eofs)
        exchange.hang_up()

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", shakes_hands)
    context = connection.TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    dialled = Dialled(fileno=pair[0].detach())
    dialled.exchange = exchange
    with context.wrap_socket(dialled, server_hostname="localhost"):
        assert pair[1].recv(1) == b""
    assert strict == [False]
    assert not exchange.close()


# The pool


def test_idle_connections_are_reused_latest_first() -> None:
    idle = _Idle(2)
    assert idle.take() is None
    first, second, third = (Conn(Exchange(Deadline(60))) for _ in range(3))
    for conn in (first, None, second, third, None):
        idle.put(conn)
    assert [conn.closed for conn in (first, second, third)] == [0, 0, 1]
    assert [idle.take(), idle.take(), idle.take()] == [second, first, None]


class Conn:
    """A connection as its pool sees it."""

    is_verified = True
    proxy_is_verified = None

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def kept(scheme: str, conn: Any) -> int:
    """Give `conn` back to its pool and return how many connections are idle there."""
    pool: Any = POOLS[scheme]("127.0.0.1", 1)
    pool._put_conn(conn)
    found = list(iter(pool.pool.take, None))
    assert found == [conn] * len(found)
    return len(found)


@pytest.mark.parametrize("scheme", POOLS)
def test_a_connection_is_kept_unless_its_attempt_was_ended(scheme: str) -> None:
    good = Conn(Exchange(Deadline(60)))
    assert kept(scheme, good) == 1
    assert good.closed == 0
    ended = Conn(Exchange(Deadline(60)))
    ended.exchange.hang_up()
    assert kept(scheme, ended) == 0
    assert ended.closed == 1
    assert kept(scheme, None) == 0


@pytest.mark.parametrize(
    ("remaining", "timeout"), [(90.0, 90.0), (0.5, 0.5), (0.0, 0.001), (-3.0, 0.001)]
)
def test_a_socket_that_takes_no_turns_is_given_what_is_left_of_the_deadline(
    pair: tuple[socket.socket, socket.socket], remaining: float, timeout: float
) -> None:
    """And never no time, for which a socket would not wait at all."""

    class Left(Deadline):
        def remaining(self) -> float:
            return remaining

    turns.start(pair[1], Left(60))
    assert pair[1].gettimeout() == timeout


# Through the front


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ECONNRESET, "reset"), None),
        (OSError(errno.EPIPE, "pipe"), None),
        (OSError(errno.EPROTOTYPE, "a Mac's"), None),
        (BrokenPipeError(), None),  # the end of a TLS stream
        (OSError(errno.ETIMEDOUT, "timeout"), "connection_lost"),
        (OSError(errno.EHOSTUNREACH, "route"), "connection_lost"),
        (OSError("without a number"), "connection_lost"),
    ],
)
def test_a_response_that_came_before_the_request_was_sent_is_read(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str | None
) -> None:
    send = turns.send

    def broken(sock: Any, data: bytes, deadline: Deadline) -> None:
        send(sock, data, deadline)
        raise error

    monkeypatch.setattr(turns, "send", broken)
    seen = call(connector, "rawRequest", {"json": 1})
    assert seen.envelope.get("data") == (None if code else 1)
    assert seen.envelope.get("error", {}).get("code") == code


def spied(
    monkeypatch: pytest.MonkeyPatch, scheme: str, look: Callable[[Any], object]
) -> list[object]:
    """Return what `look` finds at each connection that goes back to its pool."""
    found: list[object] = []
    pool: Any = POOLS[scheme]
    original: Any = pool._put_conn

    def spy(self: Any, conn: Any) -> None:
        found.append(look(conn))
        original(self, conn)

    monkeypatch.setattr(pool, "_put_conn", spy)
    return found


def no_delay(conn: Any) -> bool:
    return bool(conn.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_small_requests_are_sent_without_delay(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = spied(monkeypatch, "http", no_delay)
    assert call(connector, "rawRequest", {"json": 1}).data == 1
    assert found == [True]
    secure = spied(monkeypatch, "https", no_delay)
    with FaultServer({"json": 1}, tls="good") as server:
        given = to(server.url, caFile=str(ca_file(tmp_path)))
        assert connector.invoke("rawRequest", GET, given).ok
    assert secure == [True]


def progress_of(conn: Any) -> tuple[bool, bool]:
    return conn.exchange.sent, conn.exchange.fresh


def test_an_attempt_knows_whether_its_connection_is_its_own(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = spied(monkeypatch, "http", progress_of)
    with FaultServer({"json": 1}) as server:
        for _ in range(3):
            assert connector.invoke("rawRequest", GET, to(server.url)).ok
        assert server.connections == 1
    assert found == [(True, True), (True, False), (True, False)]


def test_an_attempt_that_could_not_connect_has_sent_nothing() -> None:
    exchange = Exchange(Deadline(60))
    exchange.sent = True  # as a proxy leaves it
    with refused_port() as port, pytest.raises(ConnectorError, match="No connection"):
        new_connection("http", "127.0.0.1", port, exchange).connect()
    assert told(exchange) == (False, True, False)


@pytest.mark.parametrize("error", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_a_tls_stream_that_ends_while_it_is_written_is_a_broken_pipe(
    error: type[ssl.SSLError],
) -> None:
    """So that what the server said before can still be read."""
    exchange = Exchange(Deadline(60))
    left, right = socket.socketpair()

    class Ended:
        def send(self, data: bytes) -> int:
            raise error

        def shutdown(self, how: int) -> None:
            left.shutdown(how)

        def close(self) -> None:
            left.close()

    with left, right:
        conn = new_connection("https", "127.0.0.1", 1, exchange)
        conn.sock = Ended()
        with pytest.raises(BrokenPipeError):
            conn.send(b"x")
        conn.sock = None
    assert exchange.sent is True
    exchange.close()
