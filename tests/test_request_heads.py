"""The head of a request: nothing in a part of it can start another line."""

from __future__ import annotations

import pytest

from connector.http import request_head
from connector.http.connection import POOLS
from tests.support import canary

pytestmark = pytest.mark.core


def test_a_head_is_its_lines_in_order() -> None:
    head = request_head.encoded(
        "POST", "/v1/chat?a=b", {"Host": "h:1", "X-Own": "caf\xe9", "E": ""}
    )
    assert head == b"POST /v1/chat?a=b HTTP/1.1\r\nHost: h:1\r\nX-Own: caf\xe9\r\nE: \r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET\r\n", "/", {}),
        ("G T", "/", {}),
        ("", "/", {}),
        ("GET", "", {}),
        ("GET", "/a b", {}),
        ("GET", "/a\r\nb: c", {}),
        ("GET", "/\xe9", {}),
        ("GET", "/\x7f", {}),
        ("GET", "/", {"": "x"}),
        ("GET", "/", {"a b": "x"}),
        ("GET", "/", {"a:b": "x"}),
        ("GET", "/", {"a\r\nb": "x"}),
        ("GET", "/", {"a": "x\r\nb: c"}),
        ("GET", "/", {"a": "x\nb: c"}),
        ("GET", "/", {"a": "x\r"}),
        ("GET", "/", {"a": "x\r\n folded"}),
        ("GET", "/", {"a": "x\r\n\r\nGET / HTTP/1.1\r\na: b"}),
        ("GET", "/", {"a": "x\0"}),
        ("GET", "/", {"a": "\u20ac"}),
    ],
)
def test_a_part_that_breaks_its_line_is_refused(
    method: str, target: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"^a malformed request head\Z"):
        request_head.encoded(method, target, {"Host": "h", **headers, "Key": canary.KEY})


@pytest.mark.parametrize(
    ("scheme", "host", "port", "target", "expected"),
    [
        ("http", "example.com", 80, "/", "example.com"),
        ("http", "example.com.", 8080, "/", "example.com:8080"),
        ("https", "example.com", 443, "/", "example.com"),
        ("https", "example.com", 80, "/", "example.com:80"),
        ("http", "[::1]", 80, "/", "[::1]"),
        ("https", "[fe80::1%25en0]", 8443, "/", "[fe80::1]:8443"),
        ("http", "proxy", 3128, "http://example.com:81/v1", "example.com:81"),
    ],
)
def test_the_host_that_a_request_names(
    scheme: str, host: str, port: int, target: str, expected: str
) -> None:
    with POOLS[scheme](host, port) as pool:
        assert pool.host_in(target) == expected
