"""Connections to hosts with several addresses, and names that are looked up slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connector import Connector
from connector.transport import resolver, threads
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
def test_a_dead_address_holds_up_only_for_a_moment(
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
def test_a_process_without_file_descriptors_is_told_so(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(24, "Too many open files")

    with FaultServer({"json": 1}) as server:
        leads_to(monkeypatch, [("127.0.0.1", server.port)])
        if when == "socket":
            monkeypatch.setattr("connector.transport.dialing.socket.socket", fails)
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
        self.go = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.go.wait(30)
        raise OSError(-2, "Name or service not known")

    def let_go(self) -> None:
        pending = list(resolver._pending.values())
        self.go.set()
        for look_up in pending:
            assert look_up._done.wait(30)
        assert resolver._pending == {}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowResolver]:
    made = SlowResolver(monkeypatch)
    yield made
    made.let_go()


def test_look_ups_of_one_name_share_a_thread(connector: Connector, slow: SlowResolver) -> None:
    inputs = {"method": "GET", "timeout": 100}
    for _ in range(5):
        result = connector.invoke("rawRequest", inputs, fields(1))
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("deadline_exceeded", "no")
    assert slow.asked == ["several.internal"]


def test_look_ups_that_hang_are_bounded(connector: Connector, slow: SlowResolver) -> None:
    codes = []
    for number in range(40):
        to = fields(1, f"host{number}.internal")
        result = connector.invoke("rawRequest", {"method": "GET", "timeout": 1}, to)
        assert result.error is not None
        codes.append(result.error.code)
    assert len(slow.asked) == 32
    assert codes[-1] == "connect_failed"
    assert "too many other look-ups hang" in str(result.error)


def test_a_look_up_without_a_thread_is_done_by_the_caller(
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
def test_a_name_that_is_none(connector: Connector, host: str, reason: str) -> None:
    result = connector.invoke("rawRequest", {"method": "GET"}, fields(1, f"{host}.internal"))
    assert result.error is not None
    assert result.error.code == "connect_failed"
    assert reason in result.error.message
