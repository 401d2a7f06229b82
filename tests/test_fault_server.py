"""The fault server sends a client what its responses say, byte for byte.

Raw sockets look at the wire; `requests` and `ssl` show what a client makes of it.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.fault_server import (
    FaultServer,
    Received,
    Response,
    SilentListener,
    ca_file,
    certificate_authority,
    chat_completion,
    completion,
    refused_port,
    response_from,
)

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def connect(server: FaultServer | SilentListener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the end; beneath TLS, which reports a reset as a mere end."""
    content = bytearray()
    while piece := socket.socket.recv(sock, 65536):
        content += piece
    return bytes(content)


def wire(response: dict[str, Any], request: bytes = LAST_GET) -> tuple[str, bytes]:
    """The head and the body of a response as they are on the wire, up to the end."""
    with FaultServer(response) as server, connect(server) as sock:
        sock.sendall(request)
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


def fetch(response: dict[str, Any], **options: Any) -> requests.Response:
    with FaultServer(response) as server, requests.Session() as session:
        session.trust_env = False
        return session.get(server.url, timeout=PATIENCE, allow_redirects=False, **options)


def test_responses_come_in_order_and_the_last_one_repeats_on_one_connection() -> None:
    responses = [{"status": 500}, {"json": chat_completion("Hi")}]
    with FaultServer(responses) as server, requests.Session() as session:
        seen = [session.get(server.url, timeout=PATIENCE) for _ in range(3)]
        assert [one.status_code for one in seen] == [500, 200, 200]
        assert seen[2].json()["choices"][0]["message"]["content"] == "Hi"
        assert server.connections == 1
        assert len(server.requests) == 3


def test_a_request_is_recorded_whole() -> None:
    with FaultServer({}) as server:
        requests.post(f"{server.url}/a?b=c", data=b"x" * 200_000, timeout=PATIENCE)
        received = server.requests[0]
    assert (received.method, received.target) == ("POST", "/a?b=c")
    assert received.body == b"x" * 200_000
    assert received.header("CONTENT-length") == "200000"
    assert received.header("absent") is None


def test_a_chunked_request_is_joined() -> None:
    with FaultServer({}) as server:
        requests.post(server.url, data=iter([b'{"a":', b" 1}"]), timeout=PATIENCE)
        assert server.requests[0].json() == {"a": 1}


def test_expect_100_continue_is_met_before_the_body() -> None:
    with FaultServer({}) as server, connect(server) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.requests[0].body == b"ok"


def test_pipelined_requests_all_get_responses() -> None:
    with FaultServer([{"text": "1"}, {"text": "2"}]) as server, connect(server) as sock:
        sock.sendall(GET + LAST_GET)
        assert read_all(sock).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("junk", [b"\x16\x03\x01junk\r\n", GET[:-2] + b"content-length: x\r\n\r\n"])
def test_a_malformed_request_gets_400_and_is_not_recorded(junk: bytes) -> None:
    with FaultServer({}) as server, connect(server) as sock:
        sock.sendall(junk)
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")
        assert server.requests == []


def test_a_request_that_is_cut_uses_no_response() -> None:
    with FaultServer([{"status": 500}, {}]) as server:
        with connect(server) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nshort")
        assert requests.get(server.url, timeout=PATIENCE).status_code == 500


def test_a_function_chooses_by_request_and_index() -> None:
    def choose(received: Received, index: int) -> dict[str, Any]:
        return {"text": f"{received.target} {index}"}

    with FaultServer(choose) as server:
        texts = [requests.get(server.url + path, timeout=PATIENCE).text for path in ("/a", "/b")]
    assert texts == ["/a 0", "/b 1"]


def test_what_a_function_raises_is_raised_by_the_block() -> None:
    def fail(received: Received, index: int) -> Response:
        raise LookupError("no response")

    server = FaultServer(fail)
    server.__enter__()
    with connect(server) as sock:
        sock.sendall(GET)
        assert read_all(sock) == b""
    with pytest.raises(RuntimeError, match="the fault server failed") as caught:
        server.__exit__(None, None, None)
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize(
    "data",
    [
        {"stauts": 200},
        {"status": "200"},
        {"hang": 1},
        {"gzip_bomb": True},
        {"reset": "sometime"},
        {"text": "a", "json": None},
        {"reset": "mid_body", "close": "mid_body"},
        {"raw": "x", "status": 200},
        {"raw": "x", "reset": "mid_headers"},
    ],
)
def test_a_mistake_in_the_data_is_reported(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a response|raw bytes"):
        response_from(data)


def test_a_list_of_data_is_a_list_of_responses() -> None:
    assert response_from([{"status": 201}, Response()]) == [Response(status=201), Response()]


HEADS: list[tuple[dict[str, Any], str]] = [
    ({}, "HTTP/1.1 200 OK\r\ncontent-length: 0"),
    ({"status": 204}, "HTTP/1.1 204 No Content"),
    ({"status": 429, "reason": "Slow"}, "HTTP/1.1 429 Slow\r\ncontent-length: 0"),
    ({"status": 799}, "HTTP/1.1 799 Unknown\r\ncontent-length: 0"),
    ({"status_line": "garbage"}, "garbage\r\ncontent-length: 0"),
    ({"status": 204, "headers": {"Retry-After": 2}}, "HTTP/1.1 204 No Content\r\nRetry-After: 2"),
    ({"status": 204, "headers": [["a", "1"], ["a", 2]]}, "HTTP/1.1 204 No Content\r\na: 1\r\na: 2"),
    ({"status": 204, "headers": {"a": [1, 2]}}, "HTTP/1.1 204 No Content\r\na: 1\r\na: 2"),
    ({"headers": {"Content-Length": "+0"}}, "HTTP/1.1 200 OK\r\nContent-Length: +0"),
    ({"headers": {"content-length": None}}, "HTTP/1.1 200 OK"),
    ({"json": 1, "no_length": True}, "HTTP/1.1 200 OK\r\ncontent-type: application/json"),
    ({"content_length": 999}, "HTTP/1.1 200 OK\r\ncontent-length: 999"),
    ({"content_lengths": [5, 7]}, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7"),
    ({"chunked": True}, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"),
    ({"status": 204, "set_cookie": "a=b"}, "HTTP/1.1 204 No Content\r\nset-cookie: a=b"),
    ({"status": 204, "connection_close": True}, "HTTP/1.1 204 No Content\r\nconnection: close"),
    ({"status": 204, "bad_header": True}, "HTTP/1.1 204 No Content\r\nthis line has no colon"),
    ({"status": 204, "bad_header": "nul"}, "HTTP/1.1 204 No Content\r\nx-bad: a\0b"),
    ({"status": 204, "header_flood": 2}, "HTTP/1.1 204 No Content\r\nx-flood-0: 0\r\nx-flood-1: 1"),
    ({"status": 204, "header_long": 3}, "HTTP/1.1 204 No Content\r\nx-long: aaa"),
    (
        {"redirect": "http://b/", "headers": {"content-length": None}},
        "HTTP/1.1 302 Found\r\nlocation: http://b/",
    ),
    (
        {"redirect": "/", "status": 308, "headers": {"content-length": None}},
        "HTTP/1.1 308 Permanent Redirect\r\nlocation: /",
    ),
    ({"gzip_label": True, "no_length": True}, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip"),
    ({"encoding": "br", "no_length": True}, "HTTP/1.1 200 OK\r\ncontent-encoding: br"),
]


@pytest.mark.parametrize(("response", "head"), HEADS, ids=[str(response) for response, _ in HEADS])
def test_the_head_is_what_the_response_says(response: dict[str, Any], head: str) -> None:
    assert wire(response)[0] == head


BODIES: list[tuple[dict[str, Any], bytes]] = [
    ({"json": None}, b"null"),
    ({"text": "é"}, "é".encode()),
    ({"body_base64": "AP8="}, b"\x00\xff"),
    ({"repeat": {"text": "ab", "times": 3}}, b"ababab"),
    ({"repeat": {"text": "-", "times": 2, "before": "<", "after": ">"}}, b"<-->"),
    ({"nan_json": True}, b'{"choices": NaN}'),
    ({"text": "abcd", "chunked": True}, b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
    ({"text": "abcd", "chunked_truncated": True}, b"2\r\nab\r\n2\r\ncd\r\n"),
    ({"text": "abcd", "chunk_size_garbage": True}, b"zz\r\nab\r\nzz\r\ncd\r\n"),
    ({"text": "abcd", "close": "mid_body"}, b"ab"),
    ({"text": "abcd", "close": "mid_body", "chunked": True}, b"2\r\nab\r\n"),
    ({"text": "abcd", "content_length": 9}, b"abcd"),
    ({"text": "abcd", "gzip_label": True}, b"abcd"),
]


@pytest.mark.parametrize(
    ("response", "body"), BODIES, ids=[str(response) for response, _ in BODIES]
)
def test_the_body_is_what_the_response_says(response: dict[str, Any], body: bytes) -> None:
    assert wire(response)[1] == body


@pytest.mark.parametrize(
    ("response", "extra"),
    [
        ({"deep_json": 30}, "[" * 30 + "]" * 30),
        ({"huge_int": 5000}, "9" * 5000),
        ({"overflow": True}, "1e999"),
    ],
)
def test_an_absurd_member_is_in_an_otherwise_valid_completion(
    response: dict[str, Any], extra: str
) -> None:
    body = wire(response)[1].decode()
    assert body.endswith(f', "extra": {extra}}}')
    assert json.loads(body.replace(extra, "0")) == chat_completion() | {"extra": 0}


def test_raw_bytes_are_sent_alone() -> None:
    with FaultServer({"raw": "HTTP/1.1 2\xff0\r\n"}) as server, connect(server) as sock:
        sock.sendall(GET)
        assert read_all(sock) == b"HTTP/1.1 2\xff0\r\n"


def test_head_requests_get_no_body() -> None:
    head, body = wire({"text": "abc"}, LAST_GET.replace(b"GET", b"HEAD"))
    assert "content-length: 3" in head
    assert body == b""


def test_interim_responses_are_skipped() -> None:
    head, rest = wire({"interim": [100, 102], "interim_flood": 1000, "status": 204})
    assert head.startswith("HTTP/1.1 100 Continue\r\n")
    assert rest.startswith(b"HTTP/1.1 102 Processing\r\n")
    assert rest.count(b"HTTP/1.1 103 ") == 1000
    assert rest.endswith(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_header_limits_of_a_client_are_passed() -> None:
    for response in ({"header_flood": 500}, {"header_long": 200_000}):
        with pytest.raises(requests.ConnectionError):
            fetch(response)


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_a_coding_is_undone_by_a_client(kind: str) -> None:
    response = fetch({"json": {"a": 1}, kind: True})
    assert response.headers["content-encoding"] == kind
    assert response.json() == {"a": 1}


def test_broken_gzip() -> None:
    content = b"some text"
    whole = wire({"text": "some text", "gzip": True})[1]
    assert gzip.decompress(whole) == content
    assert wire({"text": "some text", "gzip_truncated": True})[1] == whole[: (len(whole) + 1) // 2]
    assert wire({"text": "some text", "gzip_truncated": 8})[1] == whole[:-8]
    assert zlib.decompress(wire({"text": "some text", "deflate": "raw"})[1], -15) == content
    with pytest.raises(gzip.BadGzipFile, match="CRC"):
        gzip.decompress(wire({"text": "some text", "gzip_corrupt": True})[1])
    head, nested = wire({"text": "some text", "gzip_nested": True})
    assert "content-encoding: gzip, gzip" in head
    assert gzip.decompress(gzip.decompress(nested)) == content


def test_a_bomb_is_small_on_the_wire_and_exact_when_grown() -> None:
    head, bomb = wire({"gzip_bomb": 20_000_000})
    assert "content-encoding: gzip" in head
    assert len(bomb) < 40_000
    grown = gzip.decompress(bomb)
    assert len(grown) == 20_000_000
    assert set(json.loads(grown)["choices"]) == {" "}
    _, nested = wire({"gzip_bomb": 20_000_000, "gzip_nested": True})
    assert gzip.decompress(nested) == bomb


def test_a_big_body_is_not_built_in_memory() -> None:
    response = {"repeat": {"text": "x", "times": 30_000_000}}
    with FaultServer(response) as server, connect(server) as sock:
        tracemalloc.start()
        sock.sendall(LAST_GET)
        size = 0
        while piece := sock.recv(65536):
            size += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 30_000_000
    assert peak < 3_000_000


def test_redirect_and_cookie_reach_a_client() -> None:
    with SilentListener() as other:
        response = fetch({"redirect": other.url, "status": 307, "set_cookie": ["a=b", "c=d"]})
        assert other.connections == 0
    assert response.status_code == 307
    assert response.headers["location"].startswith("http://127.0.0.1:")
    assert response.cookies.get_dict() == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"echo": "headers"}, {"method", "target", "headers"}),
        ({"echo": "body"}, {"body"}),
        ({"echo": "all"}, {"method", "target", "headers", "body"}),
    ],
)
def test_an_echo_shows_the_request(response: dict[str, Any], expected: set[str]) -> None:
    assert set(fetch(response).json()) == expected


@pytest.mark.parametrize("header", ["Authorization", "api-key"])
def test_an_echoed_error_shows_the_key(header: str) -> None:
    response = fetch({"echo": "body", "status": 401}, headers={header: "the-canary"})
    assert response.status_code == 401
    assert "the-canary" in response.json()["error"]["message"]


@pytest.mark.parametrize("stage", ["before_read", "after_request", "mid_headers", "mid_body"])
@pytest.mark.parametrize(("end", "reset"), [("reset", True), ("close", False)])
def test_a_connection_ends_where_the_response_says(end: str, reset: bool, stage: str) -> None:
    script = [{end: stage, "text": "abcd"}, {"text": "then"}]
    with FaultServer(script) as server:
        with connect(server) as sock:
            sock.sendall(GET)
            assert ends_by_reset(sock) == reset
        assert requests.get(server.url, timeout=PATIENCE).text == "then"
        assert len(server.requests) == (1 if stage == "before_read" else 2)
        assert server.connections == 2


def ends_by_reset(sock: socket.socket) -> bool:
    try:
        read_all(sock)
    except ConnectionResetError:
        return True
    return False


def test_what_was_sent_before_a_close_arrives() -> None:
    for stage, expected in {"before_read": b"", "mid_headers": b"HTTP/1.1 200 OK\r\nc"}.items():
        with FaultServer({"close": stage, "text": "abcd"}) as server, connect(server) as sock:
            sock.sendall(GET)
            content = read_all(sock)
            assert content.startswith(expected)
            assert b"\r\n\r\n" not in content


@pytest.mark.parametrize("ending", [{"close_after": True}, {"connection_close": True}])
def test_a_connection_ends_after_its_response(ending: dict[str, Any]) -> None:
    with FaultServer({"text": "ok", **ending}) as server, connect(server) as sock:
        sock.sendall(GET)
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert body == b"ok"
    assert (b"connection: close" in head) == ("connection_close" in ending)


def test_a_kept_connection_dies_under_the_next_request() -> None:
    with FaultServer([{"text": "ok"}, {"close": "before_read"}, {"text": "again"}]) as server:
        with requests.Session() as session:
            assert session.get(server.url, timeout=PATIENCE).text == "ok"
            with pytest.raises(requests.ConnectionError):
                session.get(server.url, timeout=PATIENCE)
            assert session.get(server.url, timeout=PATIENCE).text == "again"
        assert len(server.requests) == 2


HANGS: list[dict[str, Any]] = [
    {"hang": True},
    {"hang_after_headers": True},
    {"text": "x", "content_length": 9, "hang_after_body": True},
    {"delay_headers": 3600},
    {"text": "xx", "drip": 3600},
    {"drip_headers": 3600},
]


@pytest.mark.parametrize("response", HANGS, ids=str)
def test_a_wait_ends_with_the_server(response: dict[str, Any]) -> None:
    with FaultServer(response) as server, connect(server) as sock:
        sock.sendall(GET)
        assert server.wait_for_requests(1)
        held = threading.active_count()
    assert threading.active_count() < held


@pytest.mark.parametrize("response", HANGS, ids=str)
def test_a_wait_ends_with_the_client(response: dict[str, Any]) -> None:
    with FaultServer(response) as server:
        before = threading.active_count()
        with connect(server) as sock:
            sock.sendall(GET)
            assert server.wait_for_requests(1)
        eventually(lambda: threading.active_count() <= before)


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        threading.Event().wait(0.002)
    raise AssertionError("it never happens")


def test_bytes_drip_one_by_one() -> None:
    with FaultServer({"text": "abc", "drip": 3600}) as server, connect(server) as sock:
        sock.sendall(GET)
        content = b""
        while not content.endswith(b"\r\n\r\na"):
            content += sock.recv(100)
        assert_silent(sock)


def test_a_slow_head_passes_a_timeout() -> None:
    for response, beginning in (({"delay_headers": 3600}, b""), ({"drip_headers": 3600}, b"H")):
        with FaultServer(response) as server, connect(server) as sock:
            sock.sendall(GET)
            assert sock.recv(len(beginning)) == beginning
            assert_silent(sock)


def assert_silent(sock: socket.socket) -> None:
    sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        sock.recv(1)


def test_many_connections_at_once() -> None:
    with FaultServer({"echo": "body"}) as server:
        threads = [
            threading.Thread(target=requests.get, args=(server.url,), kwargs={"timeout": PATIENCE})
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        assert server.wait_for_requests(20)
        for thread in threads:
            thread.join()
        assert server.connections == len(server.requests) == 20


def test_an_unmet_wait_is_false() -> None:
    with FaultServer({}) as server:
        assert not server.wait_for_requests(1, timeout=0.01)


def secure_get(server: FaultServer, trusted: Path) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(server.url, timeout=PATIENCE, verify=str(trusted))


@pytest.mark.parametrize(
    "response",
    [{}, {"chunked": True}, {"gzip": True}, {"no_length": True}, {"drip": 0.001}],
    ids=str,
)
def test_a_good_certificate_is_trusted(response: dict[str, Any], tmp_path: Path) -> None:
    with FaultServer({"text": "secret", **response}, tls="good") as server:
        assert server.url.startswith("https://localhost:")
        assert secure_get(server, ca_file(tmp_path)).text == "secret"


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("self_signed", "self-signed certificate"),
        ("unknown_ca", "unable to get local issuer"),
        ("expired", "certificate has expired"),
        ("wrong_host", "doesn't match|mismatch"),
        ("not_tls", "WRONG_VERSION_NUMBER|wrong version number|record layer"),
        ("old_tls", "(?i)protocol.version"),
    ],
)
def test_a_bad_handshake_is_an_ssl_error(tls: str, told: str, tmp_path: Path) -> None:
    with FaultServer({"text": "secret"}, tls=tls) as server:
        with pytest.raises(requests.exceptions.SSLError, match=told):
            secure_get(server, ca_file(tmp_path))
        assert server.requests == []
        assert server.connections == 1


def test_a_handshake_is_reset_or_never_comes(tmp_path: Path) -> None:
    reset = pytest.raises(requests.ConnectionError, match="reset")
    with FaultServer({}, tls="handshake_reset") as server, reset:
        secure_get(server, ca_file(tmp_path))
    context = ssl.create_default_context()
    certificate_authority().configure_trust(context)
    with FaultServer({}, tls="handshake_hang") as server, connect(server) as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            context.wrap_socket(sock, server_hostname="localhost")


@pytest.mark.parametrize("response", [*HANGS, {"reset": "mid_body", "text": "abcd"}], ids=str)
def test_faults_work_under_tls_too(response: dict[str, Any]) -> None:
    context = ssl.create_default_context()
    certificate_authority().configure_trust(context)
    with FaultServer(response, tls="good") as server, connect(server) as raw:
        sock = context.wrap_socket(raw, server_hostname="localhost")
        sock.sendall(GET)
        assert server.wait_for_requests(1)
        if "reset" in response:
            assert ends_by_reset(sock)
        sock.close()


def test_an_unknown_kind_of_tls_is_reported() -> None:
    with pytest.raises(ValueError, match="handshake_hang"):
        FaultServer({}, tls="bad")


def test_a_silent_listener_keeps_what_it_hears() -> None:
    with SilentListener() as listener:
        assert (listener.connections, listener.bytes_received) == (0, b"")
        with connect(listener) as one, connect(listener):
            one.sendall(b"hello")
            assert listener.bytes_received == b"hello"
    assert (listener.connections, listener.bytes_received) == (2, b"hello")


def test_a_refused_port_refuses() -> None:
    with refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def test_http_client_agrees_about_the_presets() -> None:
    with FaultServer([{"json": chat_completion("a")}, {"json": completion("b")}]) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        seen = []
        for _ in range(2):
            connection.request("POST", "/v1/x", body=b"{}")
            seen.append(json.loads(connection.getresponse().read()))
        connection.close()
    assert seen[0]["choices"][0]["message"]["content"] == "a"
    assert seen[1]["choices"][0]["text"] == "b"
