"""Nothing is carried over: between connections, threads, processes, attempts, or from the
environment."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from connector import Connector
from connector.http import exception_mapping
from connector.http.connection import Exchange, _PlainPool
from connector.http.session import tls_context
from connector.policy import deadline
from connector.policy.deadline import Deadline
from connector.runtime.flag import Flag
from tests.support import canary
from tests.support.fault_server import (
    FaultServer,
    Received,
    SilentListener,
    ca_file,
    chat_completion,
    server_context,
)

pytestmark = pytest.mark.core

GET = {"method": "GET"}


def fields(url: str, key: str = canary.KEY, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": key, "isOpenAIKey": True, "endpoint": url, **more}}


def get(connector: Connector, connection: dict[str, Any], **inputs: Any) -> Any:
    result = connector.invoke("rawRequest", {**GET, **inputs}, connection)
    assert result.ok, result.to_dict()
    return result.data


def header(received: Received, name: str) -> list[str]:
    return [value for key, value in received.headers if key.lower() == name.lower()]


def test_two_connections_in_alternation_share_nothing(connector: Connector) -> None:
    with FaultServer({"echo": "headers", "set_cookie": "session=a; Path=/"}) as server:
        connections = [
            fields(server.url, "sk-first-0123456789"),
            fields(server.url, "sk-second-0123456789", organization="org-2"),
            fields(server.url, "azure-third-0123456789", isOpenAIKey=False),
        ]
        for turn in range(9):
            get(connector, connections[turn % 3])
        assert server.connections == 3
    for turn, received in enumerate(server.requests):
        bearer = header(received, "authorization")
        assert header(received, "cookie") == []
        wanted = [["Bearer sk-first-0123456789"], ["Bearer sk-second-0123456789"], []][turn % 3]
        assert bearer == wanted
        assert header(received, "api-key") == ([], [], ["azure-third-0123456789"])[turn % 3]
        assert header(received, "openai-organization") == ([], ["org-2"], [])[turn % 3]


def test_a_header_of_one_request_is_not_in_the_next(connector: Connector) -> None:
    with FaultServer({"json": 1}) as server:
        get(connector, fields(server.url), headers={"X-Mine": "1", "Accept": "text/x"})
        get(connector, fields(server.url))
    assert header(server.requests[0], "x-mine") == ["1"]
    assert header(server.requests[1], "x-mine") == []
    assert header(server.requests[1], "accept") == ["application/json"]


def test_cookies_are_neither_kept_nor_shown(connector: Connector) -> None:
    with FaultServer({"json": 1, "set_cookie": ["a=1", "b=2; Secure"]}) as server:
        for _ in range(3):
            result = connector.invoke("rawRequest", GET, fields(server.url))
            assert "set-cookie" not in result.meta["headers"]
    assert [header(received, "cookie") for received in server.requests] == [[], [], []]


def test_the_environment_is_not_trusted(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No proxy, no netrc, no CA bundle of the environment."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login robot password hunter2hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with SilentListener() as silent, FaultServer({"json": 1}) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, silent.url)
            monkeypatch.setenv(name.lower(), silent.url)
        get(connector, fields(server.url))
        assert silent.connections == 0
    assert header(server.requests[0], "authorization") == [f"Bearer {canary.KEY}"]
    with FaultServer({"json": 1}, tls="unknown_ca") as server:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(ca_file(tmp_path)))
        result = connector.invoke("rawRequest", GET, fields(server.url))
        assert result.error is not None
        assert result.error.code == "tls_error"
        hint = "REQUESTS_CA_BUNDLE is set in the environment but not used: fill in CA File"
        assert hint in str(result.error.hint)


def test_a_proxy_with_tls_is_verified_with_the_authorities_of_the_connection(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted = str(ca_file(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    with FaultServer({"json": 1}, tls="good") as server:
        login = f"{canary.PROXY_USER}:{canary.PROXY_PASSWORD}"
        proxy = f"https://{login}@localhost:{server.port}"
        for endpoint in ("http://gateway.internal", "https://gateway.example"):
            result = connector.invoke("rawRequest", GET, fields(endpoint, proxy=proxy))
            assert result.error is not None
            assert result.error.code == "tls_error"
        assert server.requests == []
        monkeypatch.delenv("SSL_CERT_FILE")
        to = fields("http://gateway.internal", proxy=proxy, caFile=trusted)
        assert get(connector, to) == 1
        assert header(server.requests[0], "proxy-authorization") != []


def test_the_environment_gets_no_session_secrets_and_a_name_must_be_the_certificates_own(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    monkeypatch.setenv("SSLKEYLOGFILE", str(secrets))
    with FaultServer({"json": 1}, tls="good") as server:
        assert get(connector, fields(server.url, caFile=str(ca_file(tmp_path)))) == 1
    assert not secrets.exists()
    assert not tls_context(None).hostname_checks_common_name


@pytest.mark.parametrize(
    "proxy",
    """http://[::1 http://:80 http://a:99999 http://@ http://u:pa/ss@h:1 http://h/path http://h?q
    ftp://h http:h h:80 http://[fe80::1] http://a\\b http://h#x""".split(),
)
def test_an_invalid_proxy_address_is_refused(connector: Connector, proxy: str) -> None:
    result = connector.invoke("rawRequest", GET, fields("https://name.invalid", proxy=proxy))
    assert result.error is not None
    assert result.error.code in ("invalid_connection", "blocked_target")
    assert not result.error.retryable
    assert result.error.details is not None
    assert result.error.details[0]["path"] == "/connection/fields/proxy"
    assert (result.error.sent, result.meta["attempts"]) == ("no", 0)


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (errno.EMFILE, {}),
        (errno.EMFILE, {"caFile": __file__}),
        (errno.ENFILE, {"caFile": __file__}),
        (errno.EACCES, {}),  # there is no CA File that could be wrong
    ],
)
def test_files_that_cannot_be_opened_are_no_wrong_ca_file(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, number: int, more: dict[str, str]
) -> None:
    def load(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    result = connector.invoke(
        "rawRequest", {"method": "GET"}, fields("https://127.0.0.1:1", **more)
    )
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("connect_failed", "no")
    assert os.strerror(number) in result.error.message


def test_a_ca_file_that_never_ends_is_refused(connector: Connector, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    to = fields("https://localhost:1", caFile=str(tmp_path / "pipe"))
    result = connector.invoke("rawRequest", GET, to)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_connection", "no")


@pytest.mark.parametrize("tls", [None, "good"])
def test_a_connection_that_the_server_closed_meanwhile_is_replaced(
    connector: Connector, tmp_path: Path, tls: str | None
) -> None:
    with FaultServer({"json": 1, "close_after": True}, tls=tls) as server:
        more = {"caFile": str(ca_file(tmp_path))} if tls else {}
        for _ in range(4):
            result = connector.invoke(
                "rawRequest", {**GET, "maxRetries": 1}, fields(server.url, **more)
            )
            assert result.ok, result.to_dict()


def test_a_connection_that_dies_under_a_request_is_repeated_with_a_warning(
    connector: Connector,
) -> None:
    """The server closes an idle connection just as it is used: nobody knows what it did."""
    with FaultServer([{"json": 1}, {"close": "after_request"}, {"json": 2}]) as server:
        assert get(connector, fields(server.url)) == 1
        result = connector.invoke("rawRequest", {**GET, "maxRetries": 1}, fields(server.url))
    assert (result.data, result.meta["attempts"]) == (2, 2)
    assert "billed the work twice" in result.meta["warnings"][0]


@pytest.mark.parametrize(
    ("head", "attempts"), [("\0\0\x06\x04\0\0\0\0\0", 2), ("HTTP/1.1 200 OK\r\nbad\r\n\r\n", 1)]
)
def test_bytes_that_are_not_http_may_be_the_rest_of_an_earlier_response(
    connector: Connector, head: str, attempts: int
) -> None:
    """So it is repeated once, where the connection was used before, and not on one of its own."""
    with FaultServer([{"json": 1}, {"raw": head}]) as server:
        assert get(connector, fields(server.url)) == 1
        result = connector.invoke("rawRequest", {**GET, "maxRetries": 3}, fields(server.url))
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("protocol_error", False)
    assert result.meta["attempts"] == attempts


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "repeat": {"text": "x", "times": 300_000}},
        {"status": 500, "repeat": {"text": "x", "times": 300_000}, "chunked": True},
        {"status": 400, "gzip_bomb": 50_000_000},
        {"gzip_bomb": 50_000_000},
        {"raw": "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP/1.1 200 OK\r\n\r\n99"},
    ],
)
def test_the_rest_of_a_response_is_not_taken_for_the_next_one(
    connector: Connector, answer: dict[str, Any]
) -> None:
    with FaultServer([answer, {"json": 2}]) as server:
        connector.invoke("rawRequest", GET, fields(server.url))
        # Where the server's close comes late, the connection is used once more and breaks.
        assert get(connector, fields(server.url), maxRetries=1) == 2


@contextmanager
def early_server(answer: bytes, tls: bool = False) -> Iterator[str]:
    """A server that answers after the head of a request, and closes without reading its body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            if tls:
                sock = server_context("good").wrap_socket(sock, server_side=True)
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(100)
                sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_a_response_that_comes_before_the_body_is_sent_is_read(connector: Connector) -> None:
    answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
    with early_server(answer) as url:
        inputs = {"method": "POST", "data": "x" * 20_000_000}
        result = connector.invoke("rawRequest", inputs, fields(url))
    assert result.error is not None
    # The reset that follows may overtake the response: then nobody knows what the server did.
    found = (result.error.code, result.error.sent)
    assert found in [("bad_request", "rejected"), ("connection_lost", "unknown")]


def test_ipv6(connector: Connector) -> None:
    class Server6(threading.Thread):
        def run(self) -> None:
            sock, _ = listener.accept()
            with sock:
                self.seen = sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n6")

    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("the machine has no IPv6")
    with listener:
        server = Server6()
        server.start()
        port = listener.getsockname()[1]
        assert get(connector, fields(f"http://[::1]:{port}")) == 6
        server.join()
    assert f"Host: [::1]:{port}\r\n".encode() in server.seen


def test_a_forked_child_uses_its_own_sockets(connector: Connector) -> None:
    def answer(received: Received, _: int) -> dict[str, Any]:
        return {"json": received.target}

    with FaultServer(answer) as server:
        assert get(connector, fields(server.url), url="/parent") == "/parent"
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            try:
                seen = [get(connector, fields(server.url), url=f"/child/{n}") for n in range(3)]
                os.write(write, pickle.dumps(seen))
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pickle.loads(pipe.read()) == [f"/child/{n}" for n in range(3)]
        os.waitpid(child, 0)
        assert get(connector, fields(server.url), url="/parent/2") == "/parent/2"
        assert server.connections == 2


def test_a_child_of_a_fork_keeps_its_deadlines(connector: Connector) -> None:
    """The thread that watches over them is not copied."""
    with FaultServer([{"json": 1}, {"json": 1, "drip_headers": 0.02}]) as server:
        get(connector, fields(server.url))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            try:
                inputs = {**GET, "timeout": 100}
                result = connector.invoke("rawRequest", inputs, fields(server.url))
                os.write(write, pickle.dumps(result))
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            result = pickle.loads(pipe.read())
        os.waitpid(child, 0)
    assert result.error.code == "deadline_exceeded"


def test_threads_get_their_own_responses(connector: Connector) -> None:
    def answer(received: Received, index: int) -> dict[str, Any]:
        text = received.json()["messages"][0]["content"]
        key = header(received, "authorization")[0]
        return {"json": chat_completion(f"{text} {key[-4:]}"), "gzip": index % 2 == 0}

    wrong: list[str] = []

    def work(number: int) -> None:
        key = f"sk-thread-{number % 3:04d}"
        for turn in range(20):
            text = f"{number}/{turn}"
            inputs = {"model": "m", "messages": [{"role": "user", "content": text}]}
            result = connector.invoke("createChatCompletion", inputs, fields(server.url, key))
            if not result.ok or result.data["choices"][0]["message"]["content"] != (
                f"{text} {key[-4:]}"
            ):
                wrong.append(str(result.to_dict()))

    with FaultServer(answer) as server:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections <= 12
    assert wrong == []


@pytest.mark.parametrize("answer", [{"json": {"a": 1}}, {"status": 400, "json": {"error": {}}}])
def test_results_pickle(connector: Connector, answer: dict[str, Any]) -> None:
    with FaultServer(answer) as server:
        result = connector.invoke("rawRequest", GET, fields(server.url))
    again = pickle.loads(pickle.dumps(result))
    assert again.to_dict() == result.to_dict()
    assert bool(again) is result.ok
    if result.error is not None:
        assert str(again.error) == str(result.error)


# The deadline and the attempts that it may end


class Guarded:
    """An attempt that only says whether it was ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def hang_up(self) -> None:
        self.ended.set()


def test_a_flag_is_waited_for_and_stays_set() -> None:
    flag = Flag()
    assert not flag.wait(0)
    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait(3600)
    assert flag.wait(3600)


def test_an_early_response_is_read_over_tls_too(connector: Connector, tmp_path: Path) -> None:
    inputs = {"method": "POST", "data": "x" * 30_000_000}
    with early_server(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", tls=True) as url:
        to = fields(url, caFile=str(ca_file(tmp_path)))
        result = connector.invoke("rawRequest", inputs, to)
    assert result.error is not None
    # The reset may overtake the response, as without TLS.
    found = (result.error.code, result.error.sent)
    assert found in [("bad_request", "rejected"), ("connection_lost", "unknown")]


def test_a_deadline_ends_only_what_is_attached() -> None:
    over, late, left = Guarded(), Guarded(), Guarded()
    short, long = Deadline(60), Deadline(60)
    long.attach(late)
    short.attach(left)
    assert short.detach(left)
    short.limit(0.05)
    short.attach(over)
    assert over.ended.wait(60)
    assert not late.ended.is_set()
    assert not left.ended.is_set()
    assert not short.detach(over), "it is too late to let go unharmed"
    assert long.detach(late)
    assert not {over, late, left} & set(deadline._watchdog._times)


def test_a_cancelled_deadline_ends_later_attempts_too() -> None:
    before, after = Guarded(), Guarded()
    cancelled = Deadline(60)
    cancelled.attach(before)
    cancelled.cancel()
    cancelled.attach(after)
    assert before.ended.is_set()
    assert after.ended.is_set()
    assert not cancelled.detach(after)
    assert not cancelled.detach(before)


def pair() -> tuple[socket.socket, socket.socket]:
    left, right = socket.socketpair()
    right.settimeout(5)
    return left, right


def test_an_attempt_guards_the_socket_that_it_has_now() -> None:
    first, second = pair(), pair()
    exchange = Exchange(Deadline(60))
    exchange.guard(first[0])
    exchange.guard(second[0])
    exchange.hang_up()
    assert second[1].recv(1) == b""
    first[0].sendall(b"x")
    assert first[1].recv(1) == b"x"
    assert not exchange.close()
    for sock in (*first, *second):
        sock.close()


def test_an_attempt_that_was_ended_before_it_had_a_socket_stays_ended() -> None:
    first, second = pair(), pair()
    exchange = Exchange(Deadline(60))
    exchange.guard(first[0])
    exchange.hang_up()
    exchange.guard(second[0])
    assert second[1].recv(1) == b""
    exchange.close()
    for sock in (*first, *second):
        sock.close()


def test_an_attempt_that_let_go_ends_nothing() -> None:
    """Its socket may be another attempt's by now."""
    left, right = pair()
    late: list[Callable[[], None]] = []
    exchange = Exchange(Deadline(60))
    exchange.guard(left)
    late.append(exchange.hang_up)
    assert exchange.close()
    late[0]()
    left.sendall(b"x")
    assert right.recv(1) == b"x"
    left.close()
    right.close()


def test_a_connection_is_released_before_another_attempt_can_take_it(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline of the attempt that is done must not watch over the next one's work."""
    watched: list[int] = []
    put = _PlainPool._put_conn

    def spy(pool: Any, conn: Any) -> None:
        put(pool, conn)
        watched.append(len(deadline._watchdog._times))

    monkeypatch.setattr(_PlainPool, "_put_conn", spy)
    with FaultServer({"json": 1}) as server:
        get(connector, fields(server.url))
    assert watched == [0]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (TimeoutError("timed out"), "deadline_exceeded"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "connection_lost"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "connection_lost"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "connection_lost"),
        (ValueError("length"), "protocol_error"),
    ],
)
def test_a_peer_that_vanishes_is_not_reported_as_our_deadline(broken: Exception, code: str) -> None:
    """The system's own timeout is a TimeoutError like that of a socket."""
    exchange = Exchange(Deadline(60))
    exchange.sent = True
    error = exception_mapping.to_error(
        ProtocolError("Connection aborted.", broken), exchange, answered=False
    )
    assert (error.code, error.sent) == (code, "unknown")
