"""An open response: its head arrives before its body, and all limits of a call apply while the body
is read."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from connector import ConnectorError
from connector.http.messages import Credentials, Limits, Request
from connector.http.sender import OpenResponse
from connector.http.transport import Transport
from connector.policy import deadline as deadlines
from connector.policy.deadline import Deadline
from connector.text.secrets import Secret
from tests.support import canary

LIMITS = Limits(body=1000, error=1000)
CREDENTIALS = Credentials("Authorization", "Bearer ", Secret(canary.KEY))
LENGTH = "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nx-request-id: r1\r\nx-key: {key}\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-request-id: r1\r\n\r\n"


class Server:
    """Answers each request on its only connection with a head and a first part, and holds the
    rest back until `go` is set."""

    def __init__(
        self, first: bytes, rest: bytes = b"", requests: int = 1, hangs_up: bool = False
    ) -> None:
        self.transport = Transport(secure=False)
        self._hangs_up = hangs_up
        self._first = first
        self._rest = rest
        self._count = requests
        self.go = threading.Event()
        self.saw_end = threading.Event()
        self.requests: list[bytes] = []

    def __enter__(self) -> Server:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.transport.close()
        self._thread.join(60)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        with sock:
            sock.settimeout(30)
            try:
                for _ in range(self._count):
                    self._answer(sock)
                if self._hangs_up:
                    assert self.go.wait(60)
                    return
                while sock.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.saw_end.set()

    def _answer(self, sock: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += sock.recv(65536)
        self.requests.append(request)
        sock.sendall(self._first)
        if self._rest:
            assert self.go.wait(60)
            sock.sendall(self._rest)


def opened(server: Server, deadline: Deadline | None = None) -> OpenResponse:
    request = Request("GET", f"{server.url}/v1/models", {"Accept": "*/*"}, None)
    return server.transport.open(request, CREDENTIALS, deadline or Deadline(60))


def head(size: int, key: str = "none") -> bytes:
    return LENGTH.format(size=size, key=key).encode()


def failure(read: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ConnectorError) as caught:
        read()
    canary.assert_absent("the error", repr(vars(caught.value)))
    return caught.value.code, caught.value.sent


def test_the_head_is_there_before_the_body() -> None:
    body = json.dumps({"a": "b" * 50}).encode()
    with Server(head(len(body)) + body[:10], body[10:]) as server:
        response = opened(server)
        assert response.status == 200
        assert response.headers["x-request-id"] == "r1"
        assert not server.go.is_set()  # the rest was not even sent
        server.go.set()
        whole = response.read(LIMITS)
        assert (whole.status, whole.body, whole.request_id) == (200, body, "r1")
        assert b"Authorization: Bearer " + canary.KEY.encode() in server.requests[0]


def test_a_body_in_chunks_is_complete_at_its_last_chunk() -> None:
    first = CHUNKED.encode() + b"3\r\nabc\r\n"
    with Server(first, b"2\r\nde\r\n0\r\n\r\n") as server:
        response = opened(server)
        server.go.set()
        assert response.read(LIMITS).body == b"abcde"


def test_a_response_that_was_read_leaves_its_connection_for_the_next() -> None:
    with Server(head(2) + b"{", b"}", requests=3) as server:
        server.go.set()
        for _ in range(3):
            assert opened(server).read(LIMITS).body == b"{}"
        assert len(server.requests) == 3
        assert not server.saw_end.is_set()
        server.transport.close()
        assert server.saw_end.wait(30)


@pytest.mark.parametrize("first", [head(50), head(50) + b"{", head(0), CHUNKED.encode()])
def test_a_response_that_is_closed_unread_closes_its_connection(first: bytes) -> None:
    deadline = Deadline(60)
    with Server(first) as server:
        response = opened(server, deadline)
        response.close()
        assert server.saw_end.wait(30) or first == head(0)
        response.close()  # harmless
        assert deadline._open == set()
        assert deadlines._watchdog._times == {}


def test_a_response_may_be_closed_while_its_deadline_is_over() -> None:
    deadline = Deadline(60)
    with Server(head(50)) as server:
        response = opened(server, deadline)
        deadline.cancel()
        response.close()
        assert server.saw_end.wait(30)


def test_the_deadline_applies_while_the_body_is_read() -> None:
    with Server(head(50) + b"{", b"") as server:
        response = opened(server, Deadline(0.3))
        assert failure(lambda: response.read(LIMITS)) == ("deadline_exceeded", "unknown")
        assert server.saw_end.wait(30)


@pytest.mark.parametrize("first", [head(50) + b"{", CHUNKED.encode() + b"1\r\n{\r\n"])
@pytest.mark.parametrize("early", [True, False])
def test_cancelling_works_while_the_body_is_read(first: bytes, early: bool) -> None:
    deadline = Deadline(60)
    with Server(first) as server:
        response = opened(server, deadline)
        if early:
            deadline.cancel()
        else:
            threading.Timer(0.05, deadline.cancel).start()
        assert failure(lambda: response.read(LIMITS)) == ("cancelled", "unknown")
        assert server.saw_end.wait(30)


LARGE = CHUNKED.encode() + b"186a0\r\n" + b"x" * 100_000


@pytest.mark.parametrize("first", [head(1001), LARGE])
def test_the_limit_applies_while_the_body_is_read(first: bytes) -> None:
    with Server(first) as server:
        response = opened(server)
        assert failure(lambda: response.read(LIMITS)) == ("response_too_large", "unknown")
        assert server.saw_end.wait(30)


@pytest.mark.parametrize("first", [head(50) + b"{", CHUNKED.encode() + b"5\r\n{"])
def test_a_body_that_breaks_off(first: bytes) -> None:
    with Server(first, hangs_up=True) as server:
        response = opened(server)
        assert response.status == 200
        server.go.set()
        assert failure(lambda: response.read(LIMITS)) == ("protocol_error", "unknown")


def test_the_key_is_masked_in_the_head_and_in_what_is_written() -> None:
    body = f"before {canary.KEY} after".encode()
    with Server(head(len(body), canary.KEY) + body[:15], body[15:]) as server:
        response = opened(server)
        canary.assert_absent("the head", repr(response.headers))
        canary.assert_absent("the response", repr(response))
        server.go.set()
        written: list[bytes] = []
        whole = response.read(LIMITS, written.append)
        assert whole.body == b""
        assert b"".join(written) == b"before *** after"


def test_an_invalid_status_is_found_when_the_response_is_read() -> None:
    with Server(b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n") as server:
        response = opened(server)
        assert response.status == 999
        assert failure(lambda: response.read(LIMITS))[0] == "protocol_error"


def test_an_error_is_read_up_to_its_own_limit() -> None:
    text = b"x" * 1500
    first = b"HTTP/1.1 400 Bad\r\ncontent-length: 1500\r\n\r\n" + text
    with Server(first) as server:
        whole = opened(server).read(LIMITS)
        assert (whole.status, whole.cut) == (400, True)
        assert len(whole.body) <= 1000
