"""Connections to hosts with several addresses, and names that are looked up slowly."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connector import Connector
from connector.http import dialing, resolver
from connector.http.dialing import Dialled
from connector.runtime import threads
from tests.support import canary
from tests.support.fault_server import FaultServer, refused_port

Addresses = list[tuple[str, int]]


def fields(port: int, host: str = "several.internal") -> dict[str, Any]:
    endpoint = f"http://{host}:{port}"
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": endpoint}}


def leads_to(monkeypatch: pytest.MonkeyPatch, addresses: Addresses) -> None:
    """Let every name lead to these addresses."""

    def look_up(*_: Any, **__: Any) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (family[":" in host], socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """A port that takes no connection and refuses none, as an address behind a firewall."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as s:
        for _ in range(8):  # until the queue of the listener is full, and more
            filler = s.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("dead", [1, 2])
def test_a_dead_address_delays_only_briefly(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, dead: int
) -> None:
    """Else it takes 15 s each until the next address is tried: longer than the call may take."""
    with dead_port() as port, FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", port)] * dead + [("127.0.0.1", server.port)])
        result = connector.invoke("rawRequest", {"method": "GET", "timeout": 10_000}, fields(port))
    assert result.ok, result.to_dict()


def test_a_refused_address_is_followed_by_the_next_at_once(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused_port() as port, FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", port)] * 50 + [("127.0.0.1", server.port)])
        result = connector.invoke("rawRequest", {"method": "GET", "timeout": 5_000}, fields(port))
    assert result.ok, result.to_dict()


def test_the_families_of_addresses_take_turns(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With six dead ones before it, an address of the other family is the second to be tried."""
    tried: list[Any] = []
    connect = socket.socket.connect_ex

    def spy(sock: socket.socket, address: Any) -> int:
        tried.append(address[1])
        return connect(sock, address)

    with dead_port() as port, FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("::1", port)] * 6 + [("127.0.0.1", server.port)])
        monkeypatch.setattr(socket.socket, "connect_ex", spy)
        result = connector.invoke("rawRequest", {"method": "GET", "timeout": 10_000}, fields(port))
        assert tried.index(server.port) == 1
    assert result.ok, result.to_dict()


def test_no_address_at_all(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused_port() as port:
        leads_to(monkeypatch, [("127.0.0.1", port), ("127.0.0.1", port)])
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(port))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("connect_failed", "no")
    assert "Connection refused" in result.error.message


def test_a_forbidden_address_among_good_ones_is_refused(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", server.port), ("169.254.169.254", 80)])
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(server.port))
        assert server.connections == 0
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("blocked_target", "no")


@pytest.mark.parametrize("when", ["socket", "connect_ex"])
def test_a_process_without_file_descriptors_gets_a_clear_error(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", server.port)])
        if when == "socket":
            monkeypatch.setattr("connector.http.dialing.Dialled", fails)
        else:
            monkeypatch.setattr(socket.socket, "connect_ex", fails)
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(server.port))
        monkeypatch.undo()
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("connect_failed", "no")
    assert "Too many open files" in result.error.message


class SlowResolver:
    """Look-ups that last until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.begun.release()
        self.go.wait(60)
        raise OSError(-2, "Name or service not known")

    def interrupt(self) -> None:
        """Interrupt the main thread while it waits for a lookup."""
        assert self.begun.acquire(timeout=60)
        os.kill(os.getpid(), signal.SIGINT)

    def let_go(self) -> None:
        pending = list(resolver._pending.values())
        self.go.set()
        for look_up in pending:
            assert look_up._done.wait(60)
        assert resolver._pending == {}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowResolver]:
    made = SlowResolver(monkeypatch)
    yield made
    made.let_go()


def call(connector: Connector, host: str, **inputs: Any) -> Any:
    return connector.invoke("rawRequest", {"method": "GET", **inputs}, fields(1, host)).error


def waiting(connector: Connector, host: str) -> threading.Thread:
    """A thread that calls a host whose name is looked up for as long as the test wants."""
    thread = threading.Thread(target=call, args=(connector, host))
    thread.start()
    return thread


def test_lookups_of_one_name_share_a_thread(connector: Connector, slow: SlowResolver) -> None:
    first = waiting(connector, "several.internal")
    assert slow.begun.acquire(timeout=60)
    for _ in range(5):
        error = call(connector, "several.internal", timeout=50)
        assert (error.code, error.sent) == ("deadline_exceeded", "no")
    assert slow.asked == ["several.internal"]
    slow.let_go()
    first.join()


def test_lookups_that_hang_are_bounded(connector: Connector, slow: SlowResolver) -> None:
    hanging = [waiting(connector, f"host{number}.internal") for number in range(32)]
    for _ in hanging:
        assert slow.begun.acquire(timeout=60)
    error = call(connector, "one-more.internal")
    assert (error.code, error.sent) == ("connect_failed", "no")
    assert error.message == (
        "The host one-more.internal could not be found (too many other lookups hang)."
    )
    assert error.hint == "Check the endpoint (or the name of the resource) and DNS."
    slow.let_go()
    for thread in hanging:
        thread.join()
    assert "not known" in call(connector, "one-more.internal").message


def test_an_interrupted_lookup_ends_at_once(connector: Connector, slow: SlowResolver) -> None:
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupt = threading.Thread(target=slow.interrupt)
        interrupt.start()
        error = call(connector, "several.internal")
        interrupt.join()
    finally:
        signal.signal(signal.SIGINT, old)
    assert (error.code, error.sent) == ("cancelled", "no")


class Hurried:
    """A clock that is four seconds later each time that it is asked."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 4
        return self.now


def test_addresses_that_never_respond_are_given_up(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "time", Hurried())
    with dead_port() as port:
        leads_to(monkeypatch, [("127.0.0.1", port), ("127.0.0.1", port)])
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(port))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("connect_failed", "no")
    assert result.error.message.endswith("(no answer in time).")
    assert result.error.hint == "Check the endpoint, DNS, firewall and private network."


def test_a_name_that_is_never_found_is_given_up(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, slow: SlowResolver
) -> None:
    monkeypatch.setattr(resolver, "time", Hurried())
    error = call(connector, "several.internal")
    assert (error.code, error.sent) == ("connect_failed", "no")
    assert error.message.endswith("(no answer in time).")


@pytest.mark.parametrize("last", [True, False])
def test_an_address_that_is_unreachable_at_once_is_followed_by_the_next(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    connect = socket.socket.connect_ex

    def unreachable(sock: socket.socket, address: Any) -> int:
        return errno.ENETUNREACH if address[1] == 9 else connect(sock, address)

    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", 9)] * 3 + [("127.0.0.1", server.port)] * last)
        monkeypatch.setattr(socket.socket, "connect_ex", unreachable)
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(9))
    assert result.ok is last
    assert last or "(Network is unreachable)" in str(result.error)


def test_a_connection_that_is_made_at_once_is_used(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(sock: socket.socket, address: Any) -> int:
        sock.setblocking(True)
        sock.connect(address)
        sock.setblocking(False)
        return 0

    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", server.port)])
        monkeypatch.setattr(socket.socket, "connect_ex", at_once)
        assert connector.invoke("rawRequest", {"method": "GET"}, fields(server.port)).ok
        assert server.connections == 1


def test_what_lost_the_race_is_closed(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Dialled] = []

    class Noted(Dialled):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    with dead_port() as port, FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", port)] * 2 + [("127.0.0.1", server.port)])
        monkeypatch.setattr("connector.http.dialing.Dialled", Noted)
        result = connector.invoke("rawRequest", {"method": "GET"}, fields(port))
        monkeypatch.undo()
        assert result.ok, result.to_dict()
        assert [sock.fileno() >= 0 for sock in made[:2]] == [False, False]


def test_a_lookup_without_a_thread_is_done_by_the_caller(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", server.port)])
        monkeypatch.setattr(threads, "start", none)
        assert connector.invoke("rawRequest", {"method": "GET"}, fields(server.port)).ok
    assert resolver._pending == {}


@pytest.mark.parametrize(("host", "reason"), [("a" * 64, "not a host name")])
def test_an_invalid_name(connector: Connector, host: str, reason: str) -> None:
    result = connector.invoke("rawRequest", {"method": "GET"}, fields(1, f"{host}.internal"))
    assert result.error is not None
    assert result.error.code == "connect_failed"
    assert reason in result.error.message
