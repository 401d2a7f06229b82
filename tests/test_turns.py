"""Waiting for a socket: in short turns, so that an engine's exception and the deadline end it, also
without a watchdog, and whatever is read or written."""

from __future__ import annotations

import ctypes
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.http import body, turns
from connector.policy import deadline as deadlines
from connector.policy.deadline import Deadline
from tests.support.fault_server import FaultServer, Received, ca_file
from tests.support.front import connection as to
from tests.support.tls import server_context

pytestmark = pytest.mark.usefixtures("no_gc_callbacks")

GET = {"method": "GET", "maxRetries": 0}
TLS = pytest.mark.parametrize("tls", [None, "good"])


class SoftTimeLimit(Exception):
    """As an engine's own."""


def target(server: FaultServer, folder: Path, tls: str | None) -> dict[str, Any]:
    return to(server.url, **({"caFile": str(ca_file(folder))} if tls else {}))


@TLS
@pytest.mark.parametrize("hangs", ["hang", "hang_after_headers"])
def test_an_engines_exception_ends_each_wait_of_a_call(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs: str, tls: str
) -> None:
    """The first response over TLS follows tickets, which are bytes but no response."""
    waiting = threading.Event()
    caught: list[BaseException] = []

    def answer(received: Received, index: int) -> dict[str, Any]:
        if hangs == "hang":
            waiting.set()
        return {"json": {"a": 1}, hangs: True}

    def whole(*arguments: Any) -> bytes:
        waiting.set()
        return read(*arguments)

    def run() -> None:
        try:
            connector.invoke("rawRequest", GET, target(server, tmp_path, tls))
        except SoftTimeLimit as error:
            caught.append(error)

    read = body.whole
    monkeypatch.setattr(body, "whole", whole)
    with FaultServer(answer, tls=tls) as server:
        thread = threading.Thread(target=run)
        thread.start()
        assert waiting.wait(60)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SoftTimeLimit)
        )
        thread.join(60)
    assert [type(error) for error in caught] == [SoftTimeLimit]


class Asleep:
    """A watchdog without a thread."""

    def watch(self, *_: Any) -> None:
        pass

    def forget(self, attempt: Any) -> bool:
        return True


@TLS
@pytest.mark.parametrize("hangs", ["hang", "hang_after_headers"])
def test_the_deadline_holds_without_a_watchdog(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangs: str, tls: str
) -> None:
    monkeypatch.setattr(deadlines, "_watchdog", Asleep())
    with FaultServer({"json": {"a": 1}, hangs: True}, tls=tls) as server:
        given = target(server, tmp_path, tls)
        result = connector.invoke("rawRequest", {**GET, "timeout": 300}, given)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("deadline_exceeded", "unknown")


@contextmanager
def ends(tls: str | None, folder: Path) -> Iterator[tuple[Any, Any]]:
    """Yield two ends of one connection; the first takes turns."""
    near, far = socket.socketpair()
    if tls:
        client = ssl.create_default_context(cafile=str(ca_file(folder)))
        shaken = threading.Thread(target=lambda: found.append(
            client.wrap_socket(near, server_hostname="localhost")
        ))  # fmt: skip
        found: list[Any] = []
        shaken.start()
        far = server_context("good").wrap_socket(far, server_side=True)
        shaken.join(60)
        (near,) = found
    turns.begin(near)
    with near, far:
        yield near, far


@TLS
def test_a_write_goes_on_when_the_peer_reads_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: str | None
) -> None:
    """It stops in the middle of a record; every byte arrives once."""
    data = bytes(range(256)) * (1 << 15)
    stalled = threading.Event()
    checked: list[Deadline] = []

    def check(deadline: Deadline) -> None:
        checked.append(deadline)
        stalled.set()

    monkeypatch.setattr(turns, "_check", check)
    received = bytearray()
    deadline = Deadline(60)
    with ends(tls, tmp_path) as (near, far):

        def read() -> None:
            assert stalled.wait(60)
            while len(received) < len(data):
                received.extend(far.recv(1 << 20))

        thread = threading.Thread(target=read)
        thread.start()
        turns.send(near, data, deadline)
        thread.join(60)
    assert received == data
    assert checked[0] is deadline


@TLS
def test_a_write_that_the_peer_never_reads_ends_with_the_deadline(
    tmp_path: Path, tls: str | None
) -> None:
    with ends(tls, tmp_path) as (near, _), pytest.raises(TimeoutError):
        turns.send(near, bytes(1 << 24), Deadline(0.3))


@TLS
def test_a_read_takes_turns_until_something_comes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: str | None
) -> None:
    with ends(tls, tmp_path) as (near, far):
        assert os.get_blocking(near.fileno()), "it is the system that waits"
        in_vain: list[Deadline] = []

        def check(deadline: Deadline) -> None:
            in_vain.append(deadline)
            if len(in_vain) == 2:
                far.sendall(b"late")

        monkeypatch.setattr(turns, "_check", check)
        reader = turns.Readable(near, Deadline(60)).makefile("rb")
        assert reader.read(4) == b"late"
        assert len(in_vain) >= 2
        reader.close()
        near.sendall(b"still open")
        assert far.recv(100) == b"still open"


def test_a_connection_is_not_used_again_after_a_body_that_broke_off(connector: Connector) -> None:
    """Nothing is left to read on it, so that it looks idle."""
    head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with FaultServer([{"raw": head + "-5\r\n", "hang_after_body": True}, {"json": 1}]) as server:
        first = connector.invoke("rawRequest", GET, to(server.url))
        assert first.error is not None
        assert first.error.code == "protocol_error"
        again = connector.invoke("rawRequest", {**GET, "timeout": 10_000}, to(server.url))
        assert again.data == 1
        assert server.connections == 2
