"""Nothing is sent to another host, whatever an endpoint, a path or a header contains."""

from __future__ import annotations

import datetime
import email.utils
import json
import math
import socket
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector import Connector
from connector.errors import ConnectorError
from connector.http import addresses
from connector.policy import retry_after
from connector.providers.endpoint import parse_endpoint
from tests.support import canary
from tests.support.fault_server import FaultServer, SilentListener

pytestmark = pytest.mark.core

REFUSED = ("invalid_connection", "blocked_target")


@pytest.fixture(scope="module")
def echo() -> Iterator[FaultServer]:
    with FaultServer({"json": 1}) as server:
        yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[Connector]:
    made = Connector.load()
    yield made
    made.close()


def fields(endpoint: str, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": endpoint, **more}}


def outcome(function: Any, *given: Any, **named: Any) -> Any:
    """What the function returns, or the error that it raises."""
    try:
        return function(*given, **named)
    except ConnectorError as error:
        return error


METADATA = """
http://169.254.169.254 https://169.254.169.254 http://169.254.169.254. http://169.254.169.254:80
http://2852039166 http://0xA9FEA9FE http://0xa9.0xfe.0xa9.0xfe http://0251.0376.0251.0376
http://0251.254.169.254 http://169.254.43518 http://169.16689662 http://025177524776
http://[::ffff:169.254.169.254] http://[::ffff:a9fe:a9fe] http://[0:0:0:0:0:ffff:a9fe:a9fe]
http://[64:ff9b::169.254.169.254] http://[64:ff9b:1::a9fe:a9fe] http://[2002:a9fe:a9fe::1]
http://[::169.254.169.254] http://[fe80::5efe:a9fe:a9fe] http://[fd12::5efe:a9fe:a9fe]
http://[::ffff:0:a9fe:a9fe] http://[64:ff9b:1:a9fe:a9:fe00::] http://[64:ff9b:1::1]
http://[fd00:ec2::254] http://[fd00:ec2::23] http://[fd00:c1::a9fe:a9fe] http://[fd20:ce::254]
http://[fe80::1] http://[fe80::1%25eth0]
http://[2001:0:a9fe:a9fe::1] https://[2001:0:4136:e378:8000:63bf:5601:5601]
http://metadata.google.internal http://METADATA.google.internal http://metadata.google.internal.
http://metadata http://Metadata.Goog https://metadata.google.internal http://instance-data
http://100.100.100.200 http://168.63.129.16 http://192.0.0.192 http://169.254.170.2
http://169.254.169.253 http://224.0.0.1 http://255.255.255.255 http://[ff02::1]
""".split()

UNUSABLE = """
http://api.example.com http://8.8.8.8 http://203.0.113.7 http://1.1 http://134744072
http://[2606:4700::1111] http://[64:ff9b::8.8.8.8] http://[::ffff:8.8.8.8] http://198.18.0.1
http://100.64.0.1 https://user@localhost https://user:pass@localhost https://:@localhost
https://localhost:0 https://localhost:99999 https://localhost:port ftp://localhost
file:///etc/passwd javascript:alert(1) gopher://localhost https:// https://. https://..
https://- https://a..b https://a_b:c@d https://\u0661\u0662\u0667.0.0.1
https://\uff11\uff16\uff19.254.169.254 https://ex\u00e4mple.com https://loc%61lhost
https://local\\host https://localhost#x https://localhost?x=1 https://localhost/a/../b
https:/localhost http:localhost http:/127.0.0.1 http://[::1].evil.com http://[::1]80
https://[::1%\u00e9] https://localhost//x https://localhost/%2e%2e/x https://[::1 https://::1 https://[v1.x]
https://[localhost] https://localhost/%00
""".split()
SPACED = [
    "https://local host",
    "https://localhost/ a",
    "https://localhost\r\nx: y",
    "\t",
    " ",
    "\u2028",
]


@pytest.mark.parametrize("azure", [False, True])
@pytest.mark.parametrize("endpoint", METADATA)
def test_a_metadata_address_is_refused_in_any_notation(
    shared: Connector, endpoint: str, azure: bool
) -> None:
    result = shared.invoke("rawRequest", {"method": "GET"}, fields(endpoint, isOpenAIKey=not azure))
    assert result.error is not None
    assert result.error.code in REFUSED, result.to_dict()
    assert (result.error.sent, result.meta["attempts"]) == ("no", 0)
    assert endpoint not in str(result.to_dict())


@pytest.mark.parametrize("endpoint", UNUSABLE + SPACED)
def test_an_invalid_endpoint_is_refused(shared: Connector, endpoint: str) -> None:
    result = shared.invoke("rawRequest", {"method": "GET"}, fields(endpoint))
    assert result.error is not None
    assert result.error.code in REFUSED, result.to_dict()
    assert result.meta["attempts"] == 0


@pytest.mark.parametrize(
    "endpoint",
    """http://localhost:8000 http://127.0.0.1 http://127.1 http://[::1]:80 http://10.1.2.3
    http://172.16.0.1 http://172.31.255.255 http://192.168.1.1 http://[fd12:3456::1]
    http://0.0.0.0:8000 http://gateway http://llm.internal http://box.local https://api.example.com
    api.example.com https://8.8.8.8 https://10.0.0.1 HTTPS://API.Example.COM. https://a.b:8443/p
    http://[::ffff:10.0.0.1] https://xn--exmple-cua.com""".split(),
)
def test_an_endpoint_that_is_allowed(endpoint: str) -> None:
    parse_endpoint(endpoint)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
@example("http://169.254.169.254\uff0e")
@example("https://[")
def test_any_text_as_endpoint_is_refused_or_has_a_valid_origin(text: str) -> None:
    endpoint = outcome(parse_endpoint, text)
    if isinstance(endpoint, ConnectorError):
        assert endpoint.code in REFUSED
        return
    parts = urlsplit(endpoint.origin)
    assert parts.scheme in ("http", "https")
    assert not parts.username
    assert not parts.path
    assert endpoint.origin.isascii()


@settings(max_examples=300, deadline=None)
@given(st.ip_addresses(), st.booleans())
def test_no_forbidden_address_is_ever_allowed(address: Any, plain: bool) -> None:
    refusal = outcome(addresses.check_address, str(address), plain=plain)
    if isinstance(refusal, ConnectorError):
        assert refusal.code == "blocked_target"
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    assert not mapped.is_link_local
    assert not mapped.is_multicast
    if plain:
        assert mapped.is_private or mapped.is_loopback or mapped.is_unspecified


@pytest.mark.parametrize(
    ("scheme", "found"),
    [
        ("https", ["169.254.169.254"]),
        ("https", ["10.0.0.1", "169.254.169.254"]),
        ("https", ["::ffff:169.254.169.254"]),
        ("https", ["fe80::1%2"]),
        ("http", ["93.184.216.34"]),
        ("http", ["127.0.0.1", "93.184.216.34"]),
        ("http", ["2606:2800:220:1::1"]),
    ],
)
def test_a_name_that_leads_to_a_forbidden_address_is_refused_when_it_is_dialled(
    shared: Connector, monkeypatch: pytest.MonkeyPatch, scheme: str, found: list[str]
) -> None:
    """A name proves nothing: rebinding. Every address is looked at before one is connected to."""

    def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        assert host == "gateway.internal"
        kinds = [socket.AF_INET6 if ":" in text else socket.AF_INET for text in found]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (text, port))
            for kind, text in zip(kinds, found, strict=True)
        ]

    def connect(*_: Any) -> None:
        raise AssertionError("something was connected to")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(socket.socket, "connect", connect)
    inputs = {"method": "GET", "maxRetries": 3, "retryAllErrors": True}
    result = shared.invoke("rawRequest", inputs, fields(f"{scheme}://gateway.internal"))
    assert result.error is not None
    assert result.error.code == "blocked_target", result.to_dict()
    assert (result.error.sent, result.meta["attempts"]) == ("no", 1)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    shared: Connector, monkeypatch: pytest.MonkeyPatch, echo: FaultServer
) -> None:
    asked = []

    def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    result = shared.invoke(
        "rawRequest", {"method": "GET"}, fields(f"http://box.internal:{echo.port}")
    )
    assert result.ok, result.to_dict()
    assert asked == ["box.internal"]


def test_a_resolver_that_hangs_is_left_behind(
    shared: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    over = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    inputs = {"method": "GET", "timeout": 100}
    result = shared.invoke("rawRequest", inputs, fields("https://slow.example"))
    over.set()
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("deadline_exceeded", "no")


def test_the_next_address_is_tried(
    shared: Connector, monkeypatch: pytest.MonkeyPatch, echo: FaultServer
) -> None:
    def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", echo.port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert shared.invoke("rawRequest", {"method": "GET"}, fields("http://two.internal")).ok


PATHS = [
    "//evil.example",
    "https://evil.example/x",
    "http:/evil.example",
    "@evil.example",
    "/v1/../admin",
    "/v1/%2e%2e/admin",
    "/v1/%2E%2e%2fadmin",
    "/v1/.%2e/admin",
    "/v1/%252e%252e/admin",
    "/v1/..;/admin",
    "/v1/..\\admin",
    "/v1/%5c..%5cadmin",
    "\\evil",
    "/\\evil.example",
    "/%5Cevil.example",
    "/%2fevil.example",
    "/%2Fevil.example",
    "/v1/\x00",
    "/v1/%00",
    "/v1/%0d%0aX: y",
    "/v1/\r\nX: y",
    "/v1/a b",
    "/v1/\ta",
    "/v1/#a",
    "/v1/\u2028",
    "/v1/\uff0e\uff0e/admin",
    "/v1/%",
    "/v1/%zz",
    "/v1/%ff%fe",
    "/v1/./x",
    "/.",
    "/..",
    "v1/models",
    " /v1/models",
    "/v1/models ",
    "?x=1",
    ".",
    "",
    "\u00a0/v1",
    "/v1/\u0085",
]


@pytest.mark.parametrize("azure", [False, True])
@pytest.mark.parametrize("url", [path for path in PATHS if path])
def test_a_path_that_is_more_than_a_path_is_blocked(
    shared: Connector, url: str, azure: bool
) -> None:
    with SilentListener() as silent:
        result = shared.invoke(
            "rawRequest",
            {"method": "GET", "url": url, "maxRetries": 5, "retryAllErrors": True},
            fields(silent.url, isOpenAIKey=not azure),
        )
        assert result.error is not None
        assert result.error.code == "blocked_target", result.to_dict()
        assert (result.error.sent, result.error.retryable) == ("no", False)
        assert silent.connections == 0


SAFE = set(string.ascii_letters + string.digits + "/%:@!$&'()*+,;=~-._?[]")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("/.%2eE@:\\?#&=a;", max_size=30).map("/".__add__)))
@example("/v1/files?a=b%20c&d=[1]")
def test_any_text_as_url_is_refused_or_arrives_below_the_endpoint(
    shared: Connector, echo: FaultServer, url: str
) -> None:
    echo.requests.clear()
    connection = fields(f"{echo.url}/base")
    result = shared.invoke("rawRequest", {"method": "GET", "url": url or "/v1/models"}, connection)
    if result.error is not None:
        assert result.error.code in ("blocked_target", "invalid_input"), result.to_dict()
        assert echo.requests == []
        return
    (received,) = echo.requests
    assert set(received.target) <= SAFE
    assert received.target.startswith("/base/")
    path = urlsplit("http://x" + received.target).path
    assert ".." not in path.split("/")
    assert received.header("host") == f"127.0.0.1:{echo.port}"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=4))
@example({"X-A": "caf\u00e9", "x_a": "\x7f"})
def test_any_headers_are_refused_or_arrive_unchanged(
    shared: Connector, echo: FaultServer, headers: dict[str, str]
) -> None:
    echo.requests.clear()
    inputs = {"method": "GET", "headers": headers}
    result = shared.invoke("rawRequest", inputs, fields(echo.url))
    if result.error is not None:
        assert result.error.code == "invalid_input", result.to_dict()
        assert echo.requests == []
        return
    (received,) = echo.requests
    names = [name.lower() for name, _ in received.headers]
    assert names.count("authorization") == 1
    assert received.header("authorization") == f"Bearer {canary.KEY}"
    for name, value in headers.items():
        found = received.header(name)
        assert found is not None
        assert found.strip() == value.strip(" \t").strip()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4))
def test_any_query_arrives_as_it_is(
    shared: Connector, echo: FaultServer, pairs: list[tuple[str, str]]
) -> None:
    echo.requests.clear()
    rows = [{"key": key, "value": value} for key, value in pairs]
    result = shared.invoke(
        "rawRequest", {"method": "GET", "queryParams": rows or None}, fields(echo.url)
    )
    if result.error is not None:
        assert result.error.code == "invalid_input", result.to_dict()
        assert echo.requests == []
        return
    (received,) = echo.requests
    query = urlsplit("http://x" + received.target).query
    assert parse_qsl(query, keep_blank_values=True) == pairs


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3) | st.lists(JSON, max_size=3))
def test_any_body_is_refused_or_arrives_as_strict_json(
    shared: Connector, echo: FaultServer, data: Any
) -> None:
    echo.requests.clear()
    inputs = {"method": "POST", "data": data}
    result = shared.invoke("rawRequest", inputs, fields(echo.url))
    if result.error is not None:
        assert result.error.code == "invalid_input", result.to_dict()
        assert echo.requests == []
        return
    (received,) = echo.requests
    if received.header("content-type") == "application/json":
        assert json.loads(received.body, parse_constant=pytest.fail) == data


NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


def delay(after: str, **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return retry_after.requested_delay_ms({"retry-after": after, **named}, "", NOW.timestamp())


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
@example("Thu, 01 Jan 0000 00:00:00 GMT", "x")
@example("Mon, 99 Foo 2026 99:99:99 +9999", "Mon, 23 Nov 2026 12:00:00 -0000")
@example("9" * 400, "9" * 400)
@example("\u0662", "")
def test_no_text_as_wait_crashes(after: str, date: str) -> None:
    for headers in (
        {"retry-after": after, "date": date},
        {"retry-after-ms": after, "retry-after": date},
    ):
        found = retry_after.requested_delay_ms(headers, after, NOW.timestamp())
        assert found is None or found > 0


@settings(max_examples=300, deadline=None)
@given(st.decimals(0, 10**8, allow_nan=False, places=3))
def test_no_wait_is_ever_shortened(seconds: Any) -> None:
    found = delay(f"{seconds:f}")
    assert (found or 0) >= seconds * 1000
    assert found is None or found - seconds * 1000 < 1.001
    in_ms = retry_after.requested_delay_ms({"retry-after-ms": f"{seconds:f}"}, "", 0.0)
    assert (in_ms or 0) == math.ceil(seconds)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**6), st.integers(-(10**6), 10**6))
def test_a_date_is_relative_to_that_of_the_response(seconds: int, skew: int) -> None:
    """However wrong the server's clock, or ours, is."""
    date = NOW + datetime.timedelta(seconds=skew)
    then = date + datetime.timedelta(seconds=seconds)
    text = email.utils.format_datetime(then, usegmt=True)
    sent = email.utils.format_datetime(date, usegmt=True)
    assert delay(text, date=sent) == seconds * 1000
    assert delay(email.utils.format_datetime(NOW + datetime.timedelta(seconds=seconds))) == (
        seconds * 1000
    )


def test_dates_are_read_alike_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert delay("Mon Nov 23 12:00:09 2026") == 9000
        assert delay("Mon, 23 Nov 2026 12:00:09 -0000") == 9000
    monkeypatch.undo()
    time.tzset()
