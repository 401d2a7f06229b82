"""The hosts that the sandbox serves, and the requests that it keeps."""

from __future__ import annotations

import socket

import pytest

from connector import Connector
from connector.doors.cli import preparation
from connector.sandbox import Received, Sandbox, faults, request_log

from .support.sandbox_client import CHAT, ask, chat


def exchange(sandbox: Sandbox, request: bytes) -> bytes:
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8790",
        "LOCALHOST",
        "localhost.",
        "sandbox.localhost:1",
        "a.b.localhost",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.8.9.10",
        "[::1]",
        "[::1]:8790",
    ],
)
def test_hosts_of_this_machine(sandbox: Sandbox, host: str) -> None:
    assert ask(sandbox, "/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8790",
        "localhost.evil.example",
        "evil-localhost",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example/127.0.0.1",
        "127.0.0.1, evil.example",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[::]",
        "[2001:db8::1]:80",
        "[::1].evil.example",
        "::1",
        "2130706433",
        "127.1",
        "",
        "xn--80ak6aa92e.com",
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models", "/images/00000000.png"])
def test_host_names_of_others_that_resolve_to_loopback(
    sandbox: Sandbox, host: str, path: str
) -> None:
    response = ask(sandbox, path, headers={"Host": host})
    assert response.status_code == 421
    assert "localhost" in response.json()["error"]["message"]
    assert sandbox.requests == []


def test_requests_with_no_host_or_two(sandbox: Sandbox) -> None:
    head = b"GET /v1/models HTTP/1.%d\r\nConnection: close\r\nAuthorization: Bearer sk-a\r\n"
    assert exchange(sandbox, head % 0 + b"\r\n").startswith(b"HTTP/1.0 200")
    two = head % 1 + b"Host: localhost\r\nHost: evil.example\r\n\r\n"
    assert exchange(sandbox, two).split(b" ")[1] in (b"400", b"421")


def test_a_wrong_host_is_still_reported() -> None:
    lines: list[tuple[str, str, int]] = []
    with Sandbox({}, on_request=lambda *line: lines.append(line)) as sandbox:
        ask(sandbox, "/v1/models", headers={"Host": "evil.example"})
    assert lines == [("GET", "/v1/models", 421)]


def test_a_connector_reaches_it_by_every_name(connector: Connector, sandbox: Sandbox) -> None:
    endpoint = sandbox.url.replace("127.0.0.1", "localhost")
    fields = {**sandbox.connection("openai")["fields"], "endpoint": endpoint}
    assert connector.test_connection({"fields": fields}).ok


# The log of requests


def test_only_the_latest_requests_are_kept() -> None:
    with Sandbox({}, keep=2) as sandbox:
        for name in "abc":
            ask(sandbox, CHAT, {"model": f"gpt-{name}"})
        assert [b"gpt-b" in r.body or b"gpt-c" in r.body for r in sandbox.requests] == [True, True]
        sandbox.reset()
        assert sandbox.requests == []


def test_no_requests_are_kept_with_keep_0() -> None:
    with Sandbox({}, keep=0) as sandbox:
        assert ask(sandbox, CHAT, chat()).status_code == 200
        assert sandbox.requests == []


def test_the_command_line_keeps_none(connector: Connector) -> None:
    with preparation.make_sandbox(connector, 0) as sandbox:
        assert ask(sandbox, CHAT, chat()).status_code == 200
        assert sandbox.requests == []


def one(size: int, name: str = "") -> Received:
    return Received("POST", f"/{name}", {}, {}, b"x" * size)


def test_the_log_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MOST_BYTES", 1000)
    log = request_log.RequestLog(10_000)
    for name in "abcde":
        log.add(one(300, name))
    assert [request.path for request in log.all()] == ["/c", "/d", "/e"]
    log.add(one(5000, "large"))
    assert [request.path for request in log.all()] == ["/large"]
    log.add(one(1))
    assert [request.path for request in log.all()] == ["/"]
    log.clear()
    for name in "fgh":
        log.add(one(300, name))
    assert [request.path for request in log.all()] == ["/f", "/g", "/h"]


def test_headers_and_paths_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MOST_BYTES", 1000)
    log = request_log.RequestLog(10_000)
    log.add(one(0, "x" * 300))
    log.add(Received("GET", "/", {}, {"a": "x" * 600}, b""))
    assert [request.path for request in log.all()] == ["/"]


def test_the_bytes_are_64_mib() -> None:
    assert request_log.MOST_BYTES == 64 * 1024 * 1024
    log = request_log.RequestLog(10_000)
    for _ in range(5):
        log.add(one(20 * 1024 * 1024))
    assert len(log.all()) == 3


def test_only_faults_with_a_count_are_kept_and_these_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faults, "_MOST_COUNTED", 2)
    counts = faults.FaultCounts()
    assert counts.pick(faults.NamedFault("error", None, "a")) is not faults.no_fault
    assert counts._occurred == {}
    first = faults.NamedFault("error", 1, "first")
    assert counts.pick(first) is not faults.no_fault
    assert counts.pick(first) is faults.no_fault
    for source in "ab":
        counts.pick(faults.NamedFault("error", 1, source))
    assert len(counts._occurred) == 2
    assert counts.pick(first) is not faults.no_fault


def test_a_malformed_request_is_not_quoted(capfd: pytest.CaptureFixture[str]) -> None:
    """A malformed header may contain a real key."""
    with Sandbox({}) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                b"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer sk-real\x1b[31m\r\n\r\n"
            )
            assert b" 400 " in sock.recv(65536)
    assert "sk-real" not in "".join(capfd.readouterr())
