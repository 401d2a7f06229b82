"""The tables of how a response may quote the key, row by row: each spelling is masked everywhere.

The rows are written out here: a row that is deleted from the connector must not take its case
along.
"""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connector import Connector
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.front import call, connection, inputs_of

SECRET = 'sk-Aq/Zb+Wc"Xd&Ye<Vf>Ug%ThSi=Rj~Kl'
"""A key with characters that the notations escape, in capitals and small letters."""

WINDOW = 10
"""Characters: fewer in a row give nothing away, as the two or three beside a mask in base64."""


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def in_base64(before: int, alphabet: bytes = b"+/") -> str:
    encoded = base64.b64encode(b"." * before + SECRET.encode() + b".", alphabet)
    return encoded.decode()


def each(form: str) -> str:
    """Every character of the key in a form of its code point."""
    return "".join(form.format(ord(mark)) for mark in SECRET)


SPELLINGS = {
    "as it is": SECRET,
    "in small letters": SECRET.lower(),
    "in capitals": SECRET.upper(),
    "in JSON": in_json(SECRET),
    "in JSON, slashes escaped": in_json(SECRET).replace("/", "\\/"),
    "in a URL": quote(SECRET, safe=""),
    "in a path": quote(SECRET),
    "in a URL, small digits": "sk-Aq%2fZb%2bWc%22Xd%26Ye%3cVf%3eUg%25ThSi%3dRj~Kl",
    **{f"in base64 after {before}": in_base64(before) for before in range(4)},
    **{f"in base64url after {before}": in_base64(before, b"-_") for before in range(4)},
}
"""Forms that are masked in bytes too, whatever they are."""

ESCAPED = {
    "in HTML": html.escape(SECRET),
    "in HTML, in JSON": in_json(html.escape(SECRET)),
    "in JSON, in JSON": in_json(in_json(SECRET)),
    "in JSON, in JSON, in JSON": in_json(in_json(in_json(SECRET))),
    "in a URL, in a URL": quote(quote(SECRET, safe=""), safe=""),
    "in a URL, three times": quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
    "in a URL, in HTML": html.escape(quote(SECRET)),
    "in HTML, in a URL": quote(html.escape(SECRET)),
    "as JSON code points": each("\\u{:04x}"),
    "as JSON code points in capitals": each("\\u{:04X}"),
    "as JSON code points, escaped again": each("\\\\u{:04x}"),
    "as URL escapes": each("%{:02x}"),
    "as URL escapes in capitals": each("%{:02X}"),
    "as URL escapes, escaped again": each("%25{:02x}"),
    "as HTML numbers": each("&#{};"),
    "as HTML numbers with zeros": each("&#00{};"),
    "as HTML hexadecimals": each("&#x{:x};"),
    "as HTML hexadecimals with zeros": each("&#x00{:02X};"),
    "as HTML hexadecimals in capitals": each("&#X{:X};"),
    "behind backslashes": "".join(f"\\{mark}" for mark in SECRET),
    "as an ampersand by name": SECRET.replace("&", "&amp;"),
    "as a less-than by name": SECRET.replace("<", "&lt;"),
    "as a greater-than by name": SECRET.replace(">", "&gt;"),
    "as a quotation mark by name": SECRET.replace('"', "&quot;"),
    "as an ampersand by a name in capitals": SECRET.replace("&", "&AMP;"),
}
"""Forms that are masked in texts: whoever reads one would decode it."""


def assert_masked(text: str, spelling: str, where: str) -> None:
    for form in (spelling, SECRET):
        for start in range(len(form) - WINDOW + 1):
            window = form[start : start + WINDOW]
            assert window not in text, f"{where} shows {window!r}: {text!r}"


def run(connector: Connector, action: str, answer: Any, **inputs: Any) -> dict[str, Any]:
    seen = call(connector, action, answer, inputs, apiKey=SECRET)
    assert seen.requests[0].header("authorization") == f"Bearer {SECRET}"
    return seen.envelope


ALL = [*SPELLINGS.items(), *ESCAPED.items()]


def quoting(spelling: str) -> str:
    return f"The key <{spelling}> is wrong."


@pytest.mark.parametrize(("name", "spelling"), ALL, ids=[name for name, _ in ALL])
def test_an_error_that_quotes_the_key_is_masked(
    connector: Connector, name: str, spelling: str
) -> None:
    error = {"message": quoting(spelling), "code": f"c-{spelling}", "param": f"p.{spelling}"}
    for body in ({"error": error}, error, {"detail": quoting(spelling)}, [quoting(spelling)]):
        envelope = run(connector, "createChatCompletion", {"status": 400, "json": body})
        for key in ("message", "providerCode", "providerParam"):
            assert_masked(envelope["error"].get(key, ""), spelling, key)
    assert "***" in envelope["error"]["message"]


@pytest.mark.parametrize(("name", "spelling"), ALL, ids=[name for name, _ in ALL])
def test_a_page_that_quotes_the_key_is_masked(
    connector: Connector, name: str, spelling: str
) -> None:
    for status in (200, 502):
        answer = {"status": status, "text": f"<html>{quoting(spelling)}"}
        envelope = run(connector, "createChatCompletion", answer)
        assert_masked(envelope["error"]["message"], spelling, f"the message of {status}")
        assert "***" in envelope["error"]["message"]


@pytest.mark.parametrize(("name", "spelling"), ALL, ids=[name for name, _ in ALL])
def test_a_response_that_quotes_the_key_is_masked(
    connector: Connector, name: str, spelling: str
) -> None:
    answer = {"json": chat_completion(quoting(spelling), extra={spelling: [spelling]})}
    data = run(connector, "createChatCompletion", answer)["data"]
    assert_masked(data["choices"][0]["message"]["content"], spelling, "the content")
    assert "***" in data["choices"][0]["message"]["content"]
    ((key, value),) = data["extra"].items()
    for text in (key, *value):
        assert_masked(text, spelling, "an unknown field")


@pytest.mark.parametrize(("name", "spelling"), ALL, ids=[name for name, _ in ALL])
def test_a_raw_response_that_quotes_the_key_is_masked(
    connector: Connector, name: str, spelling: str
) -> None:
    headers = {"x-echo": f"a {spelling} b", "content-type": "text/plain"}
    answer = {"text": quoting(spelling), "headers": headers}
    envelope = run(connector, "rawRequest", answer, responseType="text")
    assert_masked(envelope["data"], spelling, "the text")
    assert_masked(envelope["meta"]["headers"]["x-echo"], spelling, "a header")
    assert "***" in envelope["data"]
    envelope = run(connector, "rawRequest", {"json": {spelling: {spelling: quoting(spelling)}}})
    ((first, inner),) = envelope["data"].items()
    ((second, third),) = inner.items()
    for text in (first, second, third):
        assert_masked(text, spelling, "the JSON")


@pytest.mark.parametrize("name", SPELLINGS)
def test_bytes_that_quote_the_key_are_masked(
    connector: Connector, tmp_path: Path, name: str
) -> None:
    spelling = SPELLINGS[name]
    answer = {"text": "\0" * 100 + quoting(spelling)}
    envelope = run(connector, "rawRequest", answer, responseType="binary")
    content = base64.b64decode(envelope["data"]["data"])
    assert_masked(content.decode(), spelling, "the bytes")
    assert content.startswith(b"\0" * 100 + b"The key <")
    path = tmp_path / "out"
    with FaultServer({**answer, "chunked": True}) as server:
        connector.invoke(
            "rawRequest",
            inputs_of("rawRequest", responseType="binary"),
            connection(server.url, apiKey=SECRET),
            output=path,
        )
    assert path.read_bytes() == content


# A proxy's address holds a login

PROXY_QUOTES = {
    "the address": "{scheme}robot:pass%2Fword%40proxy@{host}",
    "the login": "robot:pass%2Fword%40proxy",
    "the login without escapes": "robot:pass/word@proxy",
    "the password": "pass%2Fword%40proxy",
    "the password without escapes": "pass/word@proxy",
}


@pytest.mark.parametrize("name", PROXY_QUOTES)
def test_a_proxy_that_quotes_its_login_is_masked(connector: Connector, name: str) -> None:
    hosts: list[str] = []

    def answer(*_: Any) -> Any:
        text = PROXY_QUOTES[name].format(scheme="http://", host=hosts[0])
        return {"status": 502, "text": f"login <{text}> refused"}

    with FaultServer(answer) as server:
        hosts.append(f"127.0.0.1:{server.port}")
        proxy = f"http://robot:pass%2Fword%40proxy@{hosts[0]}"
        given = connection("http://10.0.0.1", proxy=proxy)
        result = connector.invoke("rawRequest", inputs_of("rawRequest"), given)
    assert server.requests
    assert result.error is not None
    for part in ("pass%2Fword", "pass/word", "word%40proxy", "word@proxy"):
        assert part not in str(result.to_dict())
    assert "login <***" in result.error.message


# Keys that are too short to look for everywhere

SHORT: list[tuple[str, str, str, str]] = [
    # the key, a text, what becomes of it in a message, and in data
    ("abc", "a key abc.", "a key abc.", "a key abc."),
    ("abcd", "a key abcd.", "a key ***.", "a key abcd."),
    ("abcdefg", "a key abcdefg.", "a key ***.", "a key abcdefg."),
    ("abcdefg", "xabcdefg abcdefgx", "xabcdefg abcdefgx", "xabcdefg abcdefgx"),
    ("abcdefg", "-abcdefg abcdefg-", "-abcdefg abcdefg-", "-abcdefg abcdefg-"),
    ("abcdefg", '"abcdefg"', '"***"', '"abcdefg"'),
    ("abcdefgh", "xabcdefghx", "x***x", "x***x"),
    ("abcdefgh", "a key ABCDEFGH.", "a key ***.", "a key ***."),
]


@pytest.mark.parametrize(("key", "text", "message", "data"), SHORT)
def test_a_short_key_is_masked_as_a_word(
    connector: Connector, key: str, text: str, message: str, data: str
) -> None:
    answer = {"status": 400, "json": {"error": {"message": text, "code": text}}}
    error = call(connector, "createChatCompletion", answer, apiKey=key).error
    assert (error["message"], error["providerCode"]) == (message, message)
    seen = call(connector, "createChatCompletion", {"json": chat_completion(text)}, apiKey=key)
    assert seen.data["choices"][0]["message"]["content"] == data


# The compressions of a body


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ({"gzip": True}, "gzip"),
        ({"gzip": True}, "GZIP"),
        ({"gzip": True}, " gzip "),
        ({"gzip": True}, "x-gzip"),
        ({"gzip": True}, "identity, gzip"),
        ({"gzip": True}, "gzip,"),
        ({"deflate": True}, "deflate"),
        ({"deflate": "raw"}, "deflate"),
        ({}, "identity"),
        ({}, ""),
        ({}, " , identity"),
    ],
)
def test_a_compressed_response_is_read(
    connector: Connector, answer: dict[str, Any], label: str
) -> None:
    headers = {"content-encoding": label}
    for framing in ({}, {"chunked": True}):
        served = {"json": {"a": 1}, "headers": headers, **answer, **framing}
        assert call(connector, "rawRequest", served).data == {"a": 1}


@pytest.mark.parametrize("label", ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "zip"])
def test_another_compression_is_refused(connector: Connector, label: str) -> None:
    served = {"json": {"a": 1}, "headers": {"content-encoding": label}}
    seen = call(connector, "rawRequest", served)
    assert seen.outcome == ("protocol_error", "unknown", 1)
