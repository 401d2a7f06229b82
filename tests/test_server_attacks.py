"""The HTTP door under attack: what a client sends, withholds or breaks off harms nobody else."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.doors.server.protocol import Protocol
from connector.doors.server.settings import Settings
from tests.support.event_peer import EventPeer, Step, chunk, event, whole
from tests.support.fault_server import FaultServer, SilentListener
from tests.support.front import connection, inputs_of
from tests.support.http_door import RunningDoor, running_door
from tests.support.raw_http import RawClient, get, no_thread_left, post, statuses, wait_for

CHAT = "/v1/actions/createChatCompletion"
RAW = "/v1/actions/rawRequest"
TOKEN = "a-token-of-the-operator"
NAMES = "/v1/connections"


class Hasty(Protocol):
    """The protocol, with limits that a test can wait for."""

    head_seconds = 0.2
    stall_seconds = 0.2
    linger_seconds = 0.2


@pytest.fixture(scope="module")
def door() -> Iterator[RunningDoor]:
    with running_door({}) as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[RunningDoor]:
    """A door with a token."""
    with running_door({}, token=TOKEN) as running:
        yield running


def exchange(running: RunningDoor, data: bytes) -> bytes:
    """Send bytes on a socket of their own and return all that comes back."""
    with RawClient(running.port) as client:
        return client.send(data).rest()


def serves(running: RunningDoor) -> bool:
    return running.request("GET", "/healthz").status_code == 200


# Who is asking


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Authorization:"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer " + TOKEN[:-1]],
        ["Authorization: Bearer " + TOKEN.upper()],
        ["Authorization: Bearer\t" + TOKEN],
        ["Authorization: Basic " + TOKEN],
        ["Authorization: " + TOKEN],
        ["Authorization: Bearer \xff\xfe"],
        ["Authorization: Bearer " + "x" * 9000],
        ["Proxy-Authorization: Bearer " + TOKEN],
        ["Cookie: token=" + TOKEN],
    ],
)
def test_a_wrong_token_opens_nothing(guarded: RunningDoor, lines: list[str]) -> None:
    for path in (NAMES, f"{NAMES}?token={TOKEN}", "/openapi.json", "/metrics", "/v1/none"):
        response = exchange(guarded, get(path, "Connection: close", *lines))
        assert statuses(response) == [401]
        assert TOKEN.encode() not in response


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type", "Origin"])
def test_a_header_that_decides_is_not_repeated(guarded: RunningDoor, name: str) -> None:
    lines = [f"{name}: a", f"{name}: b", "Connection: close"]
    assert statuses(exchange(guarded, get(NAMES, *lines))) == [400]


def test_a_trailer_is_no_header(guarded: RunningDoor) -> None:
    request = (
        b"POST /v1/connections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    )
    assert statuses(exchange(guarded, request)) == [401]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8791",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost/evil",
        "localhost#.evil.example",
        "localhost:80:80",
        "localhost, evil.example",
        "[::1].evil.example",
        "[::1",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
        "2130706433",
        "loc\xe4lhost",
        "",
    ],
)
def test_a_rebound_host_name_is_not_served(door: RunningDoor, host: str) -> None:
    request = f"GET {NAMES} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert statuses(exchange(door, request.encode("latin-1"))) == [403]


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://evil.example/v1/connections HTTP/1.1\r\nHost: evil.example",
        b"GET /v1/connections HTTP/1.1",
        b"GET /v1/connections HTTP/1.0",
        b"GET /v1/connections HTTP/1.1\r\nX-Forwarded-Host: localhost\r\nHost: evil.example",
    ],
)
def test_other_ways_to_name_a_host_are_not_served(door: RunningDoor, line: bytes) -> None:
    assert statuses(exchange(door, line + b"\r\nConnection: close\r\n\r\n")) == [403]


@pytest.mark.parametrize("origin", ["http://[", "null", "http://localhost:1", "//localhost", "x"])
def test_a_page_of_another_origin_is_refused(door: RunningDoor, origin: str) -> None:
    response = exchange(door, get(NAMES, f"Origin: {origin}", "Connection: close"))
    assert statuses(response) == [403]
    assert b"access-control" not in response


# Requests that two servers could read differently

SMUGGLED = get(NAMES)


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
        b"Content-Length: +5\r\n\r\n12345",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 0x5\r\n\r\n12345",
        b"Content-Length: 5, 5\r\n\r\n12345",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Content-Length : 5\r\n\r\n12345",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        b"X-Folded: a\r\n b\r\n\r\n",
        b"X-Folded: a\r\n\tContent-Length: 5\r\n\r\n",
        b" Content-Length: 5\r\n\r\n12345",
        b"X-Null: a\x00b\r\n\r\n",
        b"X-Bare: a\rContent-Length: 5\r\n\r\n12345",
        b"No colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"X Y: a name with a space\r\n\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_hides_no_other(
    door: RunningDoor, lines: bytes
) -> None:
    head = b"POST /v1/connections HTTP/1.1\r\nHost: localhost\r\n"
    response = exchange(door, head + lines + SMUGGLED)
    # The route takes no POST: 405 if the head was read before its body turned out to be wrong.
    assert statuses(response) in ([400], [405]), response
    assert not response.endswith(b"[]")
    assert json.loads(response.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_payload"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /healthz",
        b"GET /healthz HTTP/0.9",
        b"GET /healthz HTTP/2.0",
        b"GET /heal\x80thz HTTP/1.1",
        b"GET /heal thz HTTP/1.1",
        b"get /healthz HTTP/1.1",
        b"CONNECT example.com:443 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request_is_refused(door: RunningDoor, line: bytes) -> None:
    response = exchange(door, line + b"\r\nHost: localhost\r\n\r\n")
    assert statuses(response) == [400]
    assert b"Internal" not in response


def test_a_pipelined_request_is_not_answered(door: RunningDoor) -> None:
    response = exchange(door, get("/healthz") + get(NAMES) * 1000)
    assert statuses(response) == [200]
    assert b"connection: close" in response


def test_a_pipelined_body_is_not_added_to_the_one_before() -> None:
    with (
        FaultServer([{"json": {}}]) as provider,
        running_door({"p": connection(provider.url)}) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("rawRequest")}
        response = exchange(running, post(RAW, body) + post(RAW, body))
        assert statuses(response) == [200]
        assert len(provider.requests) == 1


def test_an_upgrade_is_not_made_and_the_next_request_is_served(door: RunningDoor) -> None:
    for protocol in ("h2c", "websocket"):
        with RawClient(door.port) as client:
            client.send(get("/healthz", "Connection: Upgrade", f"Upgrade: {protocol}"))
            assert client.until(b'{"ok":true}').startswith(b"HTTP/1.1 200")
            client.send(get("/healthz", "Connection: close"))
            assert statuses(client.rest()) == [200]


# Paths and headers


@pytest.mark.parametrize(
    "path",
    [
        "/v1/actions/../connections",
        "/healthz/../v1/connections",
        "/healthz/%2e%2e/v1/connections",
        "/healthz%2f..%2fv1%2fconnections",
        "/healthz;/v1/connections",
        "//v1/connections",
        "/v1//connections",
        "/v1/connections/",
        "/V1/connections",
        "/v1/connections%00",
        "/v1/connections%0d%0aSet-Cookie:a=b",
        "/v1/actions/..%2f..%2fetc%2fpasswd",
        "/v1/actions/%ff%fe",
        "/v1/actions/" + "a" * 5000,
        "/static/../../etc/passwd",
        "/healthz/",
        "*",
    ],
)
def test_a_path_with_a_trick_leads_nowhere(
    door: RunningDoor, guarded: RunningDoor, path: str
) -> None:
    assert statuses(exchange(guarded, get(path, "Connection: close"))) in ([401], [400])
    response = exchange(door, get(path, "Connection: close"))
    assert statuses(response) in ([404], [400])
    assert json.loads(response.partition(b"\r\n\r\n")[2])["ok"] is False
    assert b"set-cookie" not in response.lower()
    assert b"location" not in response.lower()


@pytest.mark.parametrize(
    "given",
    [
        "a%0d%0aSet-Cookie: b",
        "a\tb",
        "a b",
        'a"b',
        "<script>",
        "x" * 65,
        "\xe4",
        "a;b",
        "${jndi:x}",
    ],
)
def test_a_request_id_that_could_inject_is_replaced(
    door: RunningDoor, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    with caplog.at_level(logging.INFO, "connector.access"):
        response = exchange(door, get("/healthz", f"X-Request-Id: {given}", "Connection: close"))
    assert given.encode("latin-1") not in response
    assert given not in caplog.text
    assert response.count(b"x-request-id: ") == 1


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"X-Large: ", *[b"x" * 65536] * 64], id="one header"),
        pytest.param([b"X-%d: x\r\n" % n * 1000 for n in range(1000)], id="many headers"),
        pytest.param(
            [b"Transfer-Encoding: chunked\r\n\r\n2;", *[b"x" * 65536] * 64], id="an extension"
        ),
        pytest.param(
            [b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", *[b"x" * 65536] * 64], id="a trailer"
        ),
    ],
)
def test_a_head_that_does_not_end_is_not_kept(door: RunningDoor, pieces: list[bytes]) -> None:
    head = f"POST {RAW} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    with RawClient(door.port) as client:
        client.send(head)
        for piece in pieces:
            client.send(piece)
        assert statuses(client.rest()) in ([431], [])  # none: its body had begun
    wait_for(lambda: door.sockets == 0)


def test_a_path_that_does_not_end_is_not_kept(door: RunningDoor) -> None:
    with RawClient(door.port) as client:
        client.send(b"GET /")
        for _ in range(64):
            client.send(b"x" * 65536)
        assert statuses(client.rest()) in ([431], [400], [])
    wait_for(lambda: door.sockets == 0)


# Bodies


def test_a_huge_body_is_refused_before_it_is_read(door: RunningDoor) -> None:
    head = f"POST {RAW} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for line in ("", "Expect: 100-continue\r\n"):
        with RawClient(door.port) as client:
            client.send(f"{head}{line}Content-Length: {1 << 30}\r\n\r\n".encode())
            assert client.until(b"\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_client_learns_that_its_body_is_too_large_while_it_sends() -> None:
    pieces = iter([b"x" * 65536] * 64)
    with running_door({}, Settings(body_bytes=1000)) as running:
        headers = {"Content-Type": "application/json"}
        response = running.request("POST", RAW, data=pieces, headers=headers)
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "invalid_payload"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "gzip, gzip", "x"])
def test_a_compressed_body_is_not_unpacked(door: RunningDoor, coding: str) -> None:
    body = gzip.compress(b'{"inputs": {"text": "' + b"x" * 1_000_000 + b'"}}')
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = door.request("POST", RAW, data=body, headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"inputs":' * 50_000,
        b'{"inputs": 1e999}',
        b"9" * 10_000,
        b"\xff",
        b"",
        b"\0",
    ],
)
def test_a_hostile_json_text_is_an_invalid_payload(door: RunningDoor, body: bytes) -> None:
    response = door.request("POST", RAW, data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_payload"


def test_bodies_on_the_way_share_a_bounded_memory() -> None:
    head = f"POST {RAW} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += "Content-Length: 100000\r\n\r\n"
    with running_door({}, Settings(body_bytes=100_000)) as running:
        held = [RawClient(running.port) for _ in range(8)]
        for client in held:
            client.send(head.encode() + b"x" * 99_999)
        refused: list[RawClient] = []

        def is_full() -> bool:
            with RawClient(running.port) as client:
                client.send(post(RAW, {"inputs": "x" * 1000}, "Connection: close"))
                return statuses(client.rest()) == [429]

        wait_for(is_full)
        assert serves(running)
        for client in [*held, *refused]:
            client.close()
        wait_for(lambda: not is_full())


# Clients that make others wait


REFUSED = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"", b"GET /healthz HT", id="half a line"),
        pytest.param(b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", id="half a head"),
        pytest.param(b"", b"\r\n", id="an empty line"),
        pytest.param(get("/healthz"), b"\r\n", id="a line after a response"),
        pytest.param(get("/healthz"), b"GET /h", id="half a head after a response"),
        pytest.param(REFUSED, b"x", id="a refused body"),
    ],
)
def test_a_client_that_does_not_finish_is_dropped(first: bytes, then: bytes) -> None:
    with no_thread_left(), running_door({}, protocol=Hasty) as running:
        with RawClient(running.port) as client:
            if first:
                client.send(first).until(b"}")
            client.send(then).rest()  # it ends
        wait_for(lambda: running.sockets == 0)


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    request = post(RAW, {"connection": "p", "inputs": {}})
    with running_door({}, Settings(body_seconds=0.2)) as running:
        response = exchange(running, request[:-1])
        assert statuses(response) == [408]
        wait_for(lambda: running.sockets == 0)


def test_a_body_in_drops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drop comes in time, but all of them together would take years."""
    monkeypatch.setattr("connector.doors.server.body._BYTES_PER_SECOND", 1 << 40)
    with (
        running_door({}, Settings(body_seconds=0.5)) as running,
        RawClient(running.port) as client,
    ):
        client.send(post(RAW, {"inputs": "x" * 10_000})[:-9000])
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.05):
                client.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert statuses(client.rest()) == [408]
        stop.set()
        dripping.join()


@pytest.mark.parametrize("size", [32 << 20])
def test_a_client_that_does_not_read_its_response_is_dropped(size: int) -> None:
    with (
        FaultServer([{"json": {"text": "x" * size}}]) as provider,
        running_door({"p": connection(provider.url)}, protocol=Hasty) as running,
        RawClient(running.port, receive_buffer=4096) as client,
    ):
        client.send(post(RAW, {"connection": "p", "inputs": inputs_of("rawRequest")}))
        client.until(b"\r\n")
        wait_for(lambda: running.sockets == 0)
        assert serves(running)


def test_a_client_that_does_not_read_its_stream_frees_its_slot() -> None:
    long = "x" * 100_000
    endless: list[Step] = [*whole("a")[:1], *[event(chunk(long))] * 10_000]
    with (
        EventPeer(endless) as peer,
        running_door({"p": connection(peer.url)}, Settings(concurrency=1), protocol=Hasty) as d,
        RawClient(d.port, receive_buffer=4096) as client,
    ):
        body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
        client.send(post(CHAT, body, "Accept: text/event-stream"))
        client.until(b"event: text")
        wait_for(lambda: d.post(CHAT + "/dry-run", body).status_code == 200)
        wait_for(lambda: d.sockets == 0)


# Clients that go away


def _part(fraction: float) -> Callable[[bytes], bytes]:
    return lambda request: request[: int(len(request) * fraction)]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda _: b"", id="before the head"),
        pytest.param(_part(0.1), id="in the head"),
        pytest.param(_part(0.99), id="in the body"),
    ],
)
def test_a_client_may_go_away_in_its_request(cut: Any) -> None:
    with (
        no_thread_left(),
        SilentListener() as silent,
        running_door({"p": connection(silent.url)}, Settings(concurrency=1)) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("rawRequest")}
        for _ in range(20):
            with RawClient(running.port) as client:
                client.send(cut(post(RAW, body)))
        wait_for(lambda: running.sockets == 0)
        assert running.post(RAW + "/dry-run", body).status_code == 200
        assert silent.connections == 0


@pytest.mark.parametrize("more", [b"", get("/healthz") * 100], ids=["alone", "pipelined"])
def test_a_client_may_go_away_while_it_waits(more: bytes) -> None:
    with (
        no_thread_left(),
        SilentListener() as silent,
        running_door({"p": connection(silent.url)}, Settings(concurrency=1)) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("rawRequest")}
        for count in (1, 2, 3):
            with RawClient(running.port) as client:
                client.send(post(RAW, body) + more)
                wait_for(lambda count=count: silent.connections == count)  # type: ignore[misc]
            wait_for(lambda: running.post(RAW + "/dry-run", body).status_code == 200)
        wait_for(lambda: running.sockets == 0)


def test_a_client_with_a_large_body_may_go_away_while_it_waits() -> None:
    """uvicorn stops reading while it holds much of a body, and then does not see a client go."""
    with (
        SilentListener() as silent,
        running_door({"p": connection(silent.url)}, Settings(concurrency=1)) as running,
    ):
        body = {
            "connection": "p",
            "inputs": inputs_of("rawRequest", method="POST", data="x" * 3_000_000),
        }
        with RawClient(running.port) as client:
            client.send(post(RAW, body))
            wait_for(lambda: silent.connections == 1)
        small = {"connection": "p", "inputs": inputs_of("rawRequest")}
        wait_for(lambda: running.post(RAW + "/dry-run", small).status_code == 200)


@pytest.mark.parametrize("read", [b"event: text", b"x" * 5_000])
def test_a_client_may_go_away_in_its_stream(read: bytes) -> None:
    endless: list[Step] = [*whole("a")[:1], *[event(chunk("x" * 10_000))] * 10_000]
    with (
        no_thread_left(),
        EventPeer(endless) as peer,
        running_door({"p": connection(peer.url)}, Settings(concurrency=1)) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("createChatCompletion")}
        with RawClient(running.port) as client:
            client.send(post(CHAT, body, "Accept: text/event-stream"))
            client.until(read)
        wait_for(lambda: running.post(CHAT + "/dry-run", body).status_code == 200)
        wait_for(lambda: running.sockets == 0)


def test_a_client_may_go_away_in_its_response() -> None:
    answers: Any = [{"json": {"text": "x" * (32 << 20)}}] * 2
    with (
        no_thread_left(),
        FaultServer(answers) as provider,
        running_door({"p": connection(provider.url)}, Settings(concurrency=1)) as running,
    ):
        body = {"connection": "p", "inputs": inputs_of("rawRequest")}
        for _ in answers:
            with RawClient(running.port, receive_buffer=4096) as client:
                client.send(post(RAW, body))
                client.until(b"\r\n\r\n")
        wait_for(lambda: running.sockets == 0)
        assert running.post(RAW + "/dry-run", body).status_code == 200


# The log


def test_the_access_log_names_the_action_and_nothing_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = "sk-a-key-that-is-not-logged"
    caplog.set_level(logging.INFO, "connector.access")
    with running_door({}, token=TOKEN) as running:
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Request-Id": "id-1"}
        inputs = {"connection": {"fields": {"apiKey": key}}, "inputs": {"none": key}}
        for path in (CHAT, f"/v1/actions/{key}", f"/{key}", f"{CHAT}/dry-run?key={key}"):
            running.post(path, inputs, headers=headers)
    lines = [record.getMessage().split() for record in caplog.records]
    assert [(line[0], line[2], line[4]) for line in lines] == [
        ("400", CHAT, "id-1"),
        ("404", "/v1/actions/{key}", "id-1"),
        ("404", "-", "id-1"),
        ("400", CHAT + "/dry-run", "id-1"),
    ]
    assert key not in caplog.text
    assert TOKEN not in caplog.text
