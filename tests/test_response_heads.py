"""The head of a response: a well-formed one is read, anything else is an exception."""

from __future__ import annotations

import contextlib
import http.client
import io
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.http.response_head import Malformed, StrictResponse

pytestmark = pytest.mark.core

NAMES = st.text(string.ascii_letters + string.digits + "-_.!#$%&'*+^`|~", min_size=1)
VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40
).map(lambda text: text.strip(" \t"))
FRAMING = ("transfer-encoding", "content-length", "connection", "keep-alive", "proxy-connection")
PAIRS = st.lists(
    st.tuples(NAMES.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=30
)


class Wire:
    """What `HTTPResponse` wants of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> Any:
        return io.BufferedReader(io.BytesIO(self._data))


def read(data: bytes, kind: type[http.client.HTTPResponse] = StrictResponse, **more: Any) -> Any:
    response = kind(Wire(data), **more)  # type: ignore[arg-type] # all that is used of a socket
    response.begin()
    return response


def head(pairs: list[tuple[str, str]], status: str = "HTTP/1.1 200 OK") -> bytes:
    lines = [status, *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1")


@given(
    PAIRS, st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.0 404 ", "HTTP/1.1 503", "HTTP/1.1  201 A"])
)
def test_a_well_formed_head_is_read_as_the_standard_library_does(
    pairs: list[tuple[str, str]], status: str
) -> None:
    data = head(pairs, status)
    found = read(data)
    assert found.pairs == pairs
    known = read(data, http.client.HTTPResponse)
    for name in ("status", "reason", "version", "length", "chunked", "will_close"):
        assert getattr(found, name) == getattr(known, name), name


@given(PAIRS, st.data())
def test_a_head_that_breaks_off_is_a_lost_connection(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    whole = head(pairs)
    end = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(http.client.RemoteDisconnected):
        read(whole[:end])


@given(st.binary(), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\na: b\r\n"]))
@example(b"content-length: " + b"9" * 5000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n")
def test_any_bytes_end_as_a_response_or_one_kind_of_exception(rest: bytes, start: bytes) -> None:
    with contextlib.suppress(http.client.HTTPException):
        read(start + rest)


@pytest.mark.parametrize(
    "line",
    [
        "content-length : 3",
        " folded: but nothing before it",
        "a b: c",
        "no colon",
        ": no name",
        "nul: a\x00b",
        "return: a\rb: c",
        "n\xe4me: x",
        "long: " + "x" * 70_000,
        "long: " + " " * 70_000,
        "\r\n".join(["a: b"] * 101),
        "a: b\r\n" + "\r\n".join([" more"] * 100),
        "content-length: 3, 4",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +3",
        "content-length: 1_0",
        "content-length: ",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ],
)
def test_a_doubtful_head_is_refused(line: str) -> None:
    with pytest.raises(Malformed):
        read(f"HTTP/1.1 200 OK\r\n{line}\r\n\r\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("status", "lines", "length", "ends"),
    [
        ("HTTP/1.1 200", ["content-length: 3"], 3, False),
        ("HTTP/1.1 200", ["Content-Length: 3", "content-length: 3, 3"], 3, False),
        ("HTTP/1.1 200", ["content-length: 3", "connection: Close"], 3, True),
        (
            "HTTP/1.1 200",
            ["connection: upgrade", "connection: close", "content-length: 3"],
            3,
            True,
        ),
        ("HTTP/1.1 200", [], None, True),
        ("HTTP/1.0 200", ["content-length: 3"], 3, True),
        ("HTTP/1.0 200", ["content-length: 3", "connection: keep-alive"], 3, False),
        ("HTTP/1.1 200", ["transfer-encoding: Chunked", "content-length: 3"], None, False),
        ("HTTP/1.1 204", ["content-length: 3"], 0, False),
        ("HTTP/1.1 304", [], 0, False),
    ],
)
def test_where_a_body_ends(status: str, lines: list[str], length: int | None, ends: bool) -> None:
    found = read("\r\n".join([status, *lines, "", ""]).encode())
    assert (found.length, found.will_close) == (length, ends)


def test_the_response_to_a_head_request_has_no_body() -> None:
    assert read(head([("content-length", "3")]), method="HEAD").length == 0


def test_a_folded_line_is_one_value() -> None:
    found = read(b"HTTP/1.1 200 OK\r\na: one\r\n\t two \r\n  three\r\nb:\r\n x\r\n\r\n")
    assert found.pairs == [("a", "one two three"), ("b", "x")]


def test_interim_responses_are_skipped_up_to_a_limit() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    assert read(interim + head([("a", "b")])).pairs == [("a", "b")]
    with pytest.raises(Malformed, match="interim"):
        read(interim * 10 + head([]))


@pytest.mark.parametrize(
    "status", ["HTTP/2 200 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 20 OK", "ICY 200 OK", "200 OK", ""]
)
def test_an_invalid_status_line_is_refused(status: str) -> None:
    with pytest.raises(Malformed):
        read(head([], status))
