"""The tables of a raw request, row by row: headers that it refuses, what it accepts, charsets.

The rows are written out here: a row that is deleted from the connector must not take its case
along. `test_every_row_has_its_case` fails where the connector has a row that is missing here.
"""

from __future__ import annotations

from typing import Any

import pytest

from connector import Connector
from connector.actions import raw
from connector.text import charsets
from tests.support.fault_server import FaultServer, Received, chat_completion
from tests.support.front import KEY, call, connection

OWN_HEADERS = """
authorization api-key x-api-key ocp-apim-subscription-key openai-organization
cookie cookie2 set-cookie
host content-length transfer-encoding connection keep-alive te trailer upgrade http2-settings
expect accept-encoding
proxy proxy-authorization proxy-connection proxy-authenticate
forwarded x-forwarded-host x-host x-original-url x-rewrite-url
""".split()

FREE_HEADERS = """
accept-language authorization-hint x-authorization api-key-id my-cookie hostname content-language
content-location expect-ct x-forwarded-for x-request-id x-ms-client-request-id openai-beta
openai-project user-agent prefer te-x idempotency-key x-http-method
""".split()
"""Neighbours of the refused names: they are the caller's to set."""


def as_it_is(name: str) -> str:
    return name


def in_capitals(name: str) -> str:
    return name.upper()


def with_underscores(name: str) -> str:
    """Some servers read an underscore as a hyphen."""
    return name.replace("-", "_")


def mixed(name: str) -> str:
    return with_underscores(name.title())


SPELLINGS = [as_it_is, in_capitals, with_underscores, mixed]


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize("name", OWN_HEADERS)
def test_a_header_that_the_connector_sets_is_refused(
    connector: Connector, name: str, spelled: Any
) -> None:
    given = spelled(name)
    headers = [{"key": "x-first", "value": "1"}, {"key": given, "value": "1"}]
    seen = call(connector, "rawRequest", {"json": 1}, {"headers": headers})
    assert seen.outcome == ("invalid_input", "no", 0)
    assert [row["path"] for row in seen.error["details"]] == ["/inputs/headers/1"]
    assert seen.requests == []


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("name", FREE_HEADERS)
def test_another_header_is_sent_as_it_is(connector: Connector, name: str, azure: bool) -> None:
    inputs = {"headers": {name: "a value"}}
    seen = call(connector, "rawRequest", {"json": 1}, inputs, isOpenAIKey=not azure)
    (received,) = seen.requests
    assert values(received, name) == ["a value"]
    key = ("api-key", KEY) if azure else ("authorization", f"Bearer {KEY}")
    assert values(received, key[0]) == [key[1]]


def values(received: Received, name: str) -> list[str]:
    return [value for key, value in received.headers if key.lower() == name]


ACCEPTED = {"json": "application/json", "text": "text/plain, */*", "binary": "*/*"}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_response_type_says_what_is_accepted(connector: Connector, kind: str) -> None:
    answer = {"text": "1", "headers": {"content-type": "text/plain"}}
    seen = call(connector, "rawRequest", answer, {"responseType": kind})
    assert values(seen.requests[0], "accept") == [ACCEPTED[kind]]
    binary = {"contentType": "text/plain", "encoding": "base64", "data": "MQ=="}
    assert seen.data == {"json": 1, "text": "1", "binary": binary}[kind]


@pytest.mark.parametrize("name", ["Accept", "accept", "ACCEPT"])
def test_a_caller_may_say_what_is_accepted(connector: Connector, name: str) -> None:
    seen = call(connector, "rawRequest", {"json": 1}, {"headers": {name: "text/csv"}})
    assert values(seen.requests[0], "accept") == ["text/csv"]


# A charset's name as servers write it, and a text that another charset would garble.
CHARSETS = {
    "utf-8": "äö\u20ac",
    "utf8": "äö\u20ac",
    "utf-16": "äö\u20ac",
    "utf16": "äö\u20ac",
    "utf-16le": "äö\u20ac",
    "utf-16be": "äö\u20ac",
    "latin-1": "äö",
    "latin1": "äö",
    "iso-8859-1": "äö",
    "iso-8859-2": "\u0159\u017e",
    "iso-8859-3": "\u0127\u011d",
    "iso-8859-4": "\u0157\u0137",
    "iso-8859-5": "\u0416\u0434",
    "iso-8859-6": "\u0628\u062a",
    "iso-8859-7": "\u03b1\u03b2",
    "iso-8859-8": "\u05d0\u05d1",
    "iso-8859-9": "\u011f\u015f",
    "iso-8859-10": "\u0167\u014b",
    "iso-8859-11": "\u0e01\u0e02",
    "iso-8859-13": "\u0157\u0123",
    "iso-8859-14": "\u1e81\u0177",
    "iso-8859-15": "\u20acä",
    "iso-8859-16": "\u021b\u0219",
    "windows-1250": "\u0159\u017e",
    "windows-1251": "\u043f\u0440",
    "windows-1252": "\u20acä",
    "windows-1253": "\u03b1\u03b2",
    "windows-1254": "\u011f\u015f",
    "windows-1255": "\u05d0\u05d1",
    "windows-1256": "\u0628\u062a",
    "windows-1257": "\u0157\u0123",
    "windows-1258": "\u01a1\u01b0",
    "koi8-r": "\u043f\u0440",
    "koi8-u": "\u0454\u0457",
    "shift_jis": "\u65e5\u672c",
    "shift-jis": "\u65e5\u672c",
    "euc-jp": "\u65e5\u672c",
    "euc-kr": "\ud55c\uad6d",
    "gbk": "\u4e2d\u9ad4",
    "gb2312": "\u4e2d\u56fd",
    "gb18030": "\u4e2d\U0001f600",
    "big5": "\u4e2d\u9ad4",
}
ASCII = ["us-ascii", "ascii"]


@pytest.mark.parametrize(
    "spelling",
    ["{}", '"{}"', "'{}'", "{}; format=flowed", "{}, text/html"],
    ids=["bare", "quoted", "apostrophes", "before", "twice"],
)
def test_a_charset_is_named_in_many_ways(connector: Connector, spelling: str) -> None:
    kind = f"text/plain; charset={spelling.format('latin-1')}"
    assert read(connector, b"\xe4", kind) == "ä"


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_text_is_read_in_its_charset(connector: Connector, charset: str) -> None:
    content = CHARSETS[charset].encode(charset)
    for name in (charset, charset.upper()):
        assert read(connector, content, f"text/plain; charset={name}") == CHARSETS[charset]


@pytest.mark.parametrize("charset", [*ASCII, "US-ASCII", "Ascii"])
def test_a_text_in_ascii_holds_nothing_else(connector: Connector, charset: str) -> None:
    assert read(connector, b"a\xc3\xa4", f"text/plain; charset={charset}") == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    "charset",
    """rot13 rot_13 idna punycode unicode_escape raw_unicode_escape utf-7 utf_8 utf-8-sig utf-8_x
    utf-16-le base64 hex zip bz2 uu quopri undefined mbcs oem charmap palmos gbkx big5hkscs
    koi8-t euc-tw iso-8859-123 latin-2x windows-12 windows-12520 ascii-x x-utf-8 wtf-8
    iso-8859-99 iso-8859-0 windows-9999 windows-125""".split(),
)
def test_a_text_in_an_unknown_charset_is_read_as_utf8(connector: Connector, charset: str) -> None:
    """Python's codecs are more than charsets, and of each family it lacks some."""
    content = "ä\\u0041+AGE-%41".encode()
    assert read(connector, content, f"text/plain; charset={charset}") == "ä\\u0041+AGE-%41"


def read(connector: Connector, content: bytes, kind: str) -> Any:
    raw_answer = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s"
    answer = raw_answer % (kind.encode(), len(content), content)
    inputs = {"responseType": "text"}
    return call(connector, "rawRequest", {"raw": answer.decode("latin-1")}, inputs).data


@pytest.mark.parametrize("value", [True, False, 0, 1, 1.5, "True", "no"])
def test_a_value_is_written_as_json_would(connector: Connector, value: Any) -> None:
    """In a query, a header, a form field and the name of a file."""
    inputs = {
        "method": "POST",
        "queryParams": [{"key": "q", "value": value}],
        "headers": [{"key": "x-h", "value": value}],
        "formData": [{"key": "f", "value": value}],
        "fileData": [{"key": "g", "value": "content"}],
        "fileDataFileNames": [{"key": "g", "value": value}],
    }
    seen = call(connector, "rawRequest", {"json": 1}, inputs)
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    (received,) = seen.requests
    assert received.target == f"/v1/models?q={text}"
    assert values(received, "x-h") == [text]
    assert f'name="f"\r\n\r\n{text}\r\n'.encode() in received.body
    assert f'name="g"; filename="{text}"\r\n'.encode() in received.body


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_ends_with_its_head(connector: Connector, status: int) -> None:
    """Whatever length it names: the next request goes over the same socket."""
    answers = [{"status": status, "headers": {"content-length": 5}}, {"json": 2}]
    with FaultServer(answers) as server:
        given = connection(server.url)
        first = connector.invoke("rawRequest", {"method": "GET"}, given)
        second = connector.invoke("rawRequest", {"method": "GET"}, given)
    assert (first.meta["httpStatus"], first.meta["attempts"]) == (status, 1)
    assert second.data == 2
    assert server.connections == 1


def test_a_json_response_is_asked_for_by_the_named_actions(connector: Connector) -> None:
    seen = call(connector, "createChatCompletion", {"json": chat_completion()})
    (received,) = seen.requests
    assert values(received, "accept") == ["application/json"]
    assert values(received, "content-type") == ["application/json"]
    assert values(received, "accept-encoding") == ["gzip, deflate"]


def test_every_row_has_its_case() -> None:
    assert sorted(raw._OWN_HEADERS) == sorted(OWN_HEADERS)
    assert set(raw._ACCEPT) == set(ACCEPTED)
    assert sorted(charsets.NAMES) == sorted([*CHARSETS, *ASCII])
    assert not set(FREE_HEADERS) & set(OWN_HEADERS)
