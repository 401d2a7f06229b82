"""The key appears nowhere, in no form, even if a provider quotes the key, a proxy quotes its login,
or a payload misplaces both."""

from __future__ import annotations

import base64
import http.client
import json
import os
import pickle
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import Connector, ConnectorError
from connector.http import session
from connector.http.body import scrubbed
from connector.text.secrets import Secret
from tests.support import canary
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.manifests import examples

pytestmark = pytest.mark.core

BASE64 = base64.b64encode(canary.KEY.encode()).decode()
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
ESCAPED = "".join(f"\\u{ord(mark):04x}" for mark in canary.KEY)
ONE_ESCAPE = canary.KEY.replace("-", "\\u002D", 1)
IN_URL = "".join(f"%{ord(mark):02x}" for mark in canary.KEY)
IN_HTML = "".join(f"&#{ord(mark)};" for mark in canary.KEY)
UTF_16 = base64.b64encode(f"<html>{canary.KEY}".encode("utf-16-le")).decode()


@pytest.fixture(autouse=True)
def _silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with canary.all_logs() as logs:
        yield
    printed = capfd.readouterr()
    for where, content in (("stdout", printed.out), ("stderr", printed.err)):
        canary.assert_absent(where, content)
    canary.assert_absent("the logs", logs.getvalue())


def fields(url: str, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": url, **more}}


def raw(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "rawRequest", {"method": "GET", "responseType": kind, **more}


ECHOES: dict[str, tuple[tuple[str, dict[str, Any]], dict[str, Any]]] = {
    "an error message": (("createChatCompletion", CHAT), {"status": 401, "echo": "all"}),
    "an error of all fields": (
        ("createChatCompletion", CHAT),
        {
            "status": 400,
            "json": {"error": dict.fromkeys(("message", "type", "code", "param"), canary.KEY)},
        },
    ),
    "a server error": (("createChatCompletion", CHAT), {"status": 500, "echo": "all"}),
    "an error in base64": (
        ("createChatCompletion", CHAT),
        {"status": 400, "json": {"error": {"message": BASE64, "code": BASE64}}},
    ),
    "an error behind escapes": (
        ("createChatCompletion", CHAT),
        {"status": 400, "text": f'{{"error": {{"message": "{ESCAPED}", "code": "{ESCAPED}"}}}}'},
    ),
    "an error that is a page": (
        ("createChatCompletion", CHAT),
        {"status": 502, "text": canary.KEY},
    ),
    "an error that is broken JSON": (
        ("createChatCompletion", CHAT),
        {"status": 401, "text": f'{{"error": {{"message": "{ONE_ESCAPE}"'},
    ),
    "an error of another shape": (
        ("createChatCompletion", CHAT),
        {"status": 422, "text": f'{{"detail": [{{"msg": "{ONE_ESCAPE}"}}]}}'},
    ),
    "an error with the status of a success": (
        ("createChatCompletion", CHAT),
        {"text": f'{{"error": {{"message": "{ONE_ESCAPE}"}}}}'},
    ),
    "an error in capitals": (
        ("createChatCompletion", CHAT),
        {"status": 401, "json": {"error": {"message": canary.KEY.upper()}}},
    ),
    "JSON in JSON": (
        raw("json"),
        {"text": json.dumps({"log": [json.dumps({"key": "KEY"})]}).replace("KEY", ONE_ESCAPE)},
    ),
    "text behind escapes": (raw("text"), {"text": f"a {ONE_ESCAPE} b {IN_URL} c {IN_HTML}"}),
    "a header behind escapes": (
        raw("json"),
        {"json": 1, "headers": {"x-a": f'{{"key": "{ONE_ESCAPE}"}}', "x-b": IN_URL}},
    ),
    "a page in UTF-16": (("createChatCompletion", CHAT), {"body_base64": UTF_16}),
    "a page": (("createChatCompletion", CHAT), {"text": f"<html>{canary.KEY}"}),
    "a page that the excerpt cuts": (
        ("createChatCompletion", CHAT),
        {"text": "x" * 285 + canary.KEY},
    ),
    "an answer": (
        ("createChatCompletion", CHAT),
        {"json": chat_completion(f"{canary.KEY} {BASE64}")},
    ),
    "an answer's unknown fields": (
        ("createChatCompletion", CHAT),
        {"json": chat_completion(x={canary.KEY: [canary.KEY]})},
    ),
    "an answer behind escapes": (raw("json"), {"text": f'{{"{ESCAPED}": ["{ESCAPED}"]}}'}),
    "compressed JSON": (raw("json"), {"echo": "all", "gzip": True}),
    "chunked JSON": (raw("json"), {"echo": "all", "chunked": True}),
    "text": (raw("text"), {"echo": "all"}),
    "text of another charset": (
        raw("text"),
        {
            "body_base64": base64.b64encode(canary.KEY.encode("utf-16")).decode(),
            "headers": {"content-type": "text/plain; charset=utf-16"},
        },
    ),
    "bytes": (raw("binary"), {"echo": "all"}),
    "the headers": (
        raw("json"),
        {
            "json": 1,
            "headers": {
                "x-echo": f"Bearer {canary.KEY}",
                f"x-{canary.KEY}": "1",
                "x-request-id": canary.KEY,
                "set-cookie": f"key={canary.KEY}",
                "www-authenticate": f'Bearer realm="{BASE64}"',
            },
        },
    ),
    "the headers of an error": (
        raw("json"),
        {"status": 429, "json": {}, "headers": {"retry-after": canary.KEY, "x-a": canary.KEY}},
    ),
    "the content type": (raw("binary"), {"text": "x", "headers": {"content-type": canary.KEY}}),
    "the reason phrase": (raw("json"), {"status": 400, "reason": canary.KEY, "text": ""}),
    "the status line": (raw("json"), {"status_line": f"HTTP/1.1 {canary.KEY}"}),
    "a header that is none": (raw("json"), {"raw": f"HTTP/1.1 200 OK\r\n{canary.KEY}\r\n\r\n1"}),
    "a redirect": (raw("json"), {"redirect": f"https://evil.example/?key={canary.KEY}"}),
    "a chunk's size": (
        raw("json"),
        {"raw": f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{canary.KEY}\r\n"},
    ),
    "a length": (raw("json"), {"text": "x", "content_lengths": [canary.KEY]}),
    "a compression": (raw("json"), {"text": "x", "encoding": canary.KEY}),
    "text that is no UTF-8": (raw("json"), {"raw": f"HTTP/1.1 200 OK\r\n\r\n{canary.KEY}\xff"}),
}


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("name", ECHOES)
def test_what_quotes_the_key_is_masked(
    connector: Connector, tmp_path: Path, name: str, azure: bool
) -> None:
    (action, inputs), answer = ECHOES[name]
    with FaultServer(answer) as server:
        connection = fields(server.url, isOpenAIKey=not azure)
        result = connector.invoke(action, inputs, connection)
        for where, content in canary.everything_of(result):
            canary.assert_absent(where, content)
        assert pickle.loads(pickle.dumps(result)).to_dict() == result.to_dict()
        call = canary.Opaque(lambda: connector.call(action, inputs, connection))
        shown = call.traceback()
        assert bool(shown) is not result.ok
        canary.assert_absent("a traceback with locals", shown)
        path = tmp_path / "out"
        connector.invoke(action, inputs, connection, output=path)
        if path.exists():
            canary.assert_absent("the file", path.read_bytes())
        assert {item.name for item in tmp_path.iterdir()} <= {"out"}


@pytest.mark.parametrize("inside", [False, True], ids=["beside", "among the inputs"])
def test_a_traceback_shows_no_connection(connector: Connector, inside: bool) -> None:
    with FaultServer({"status": 401, "echo": "all"}) as server:
        connection = fields(server.url)
        given = {**CHAT, "connection": connection} if inside else CHAT
        other = None if inside else connection
        call = canary.Opaque(lambda: connector.call("createChatCompletion", given, other))
        shown = call.traceback()
    assert "authentication_failed" in shown
    canary.assert_absent("a traceback with locals", shown)


@pytest.mark.parametrize(("action", "inputs"), examples())
@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
def test_a_dry_run_shows_no_key(
    connector: Connector, action: str, inputs: dict[str, Any], azure: bool
) -> None:
    proxy = f"http://{canary.PROXY_USER}:{canary.PROXY_PASSWORD}@127.0.0.1:1"
    connection = fields("https://api.example.com", isOpenAIKey=not azure, proxy=proxy)
    result = connector.invoke(action, inputs, connection, dry_run=True)
    providers = connector.manifest.actions[action].providers or ("azure", "openai")
    served = ("azure" if azure else "openai") in providers
    assert result.ok is served, result.to_dict()
    assert not served or "***" in json.dumps(result.data)
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)


MISPLACED: list[tuple[str, Any, Any]] = [
    ("createChatCompletion", CHAT, canary.KEY),
    ("createChatCompletion", CHAT, [canary.KEY]),
    ("createChatCompletion", CHAT, {"apiKey": canary.KEY}),
    ("createChatCompletion", CHAT, {"key": "apiKey", "fields": canary.KEY}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": [canary.KEY]}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY + "\n"}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY + "\u00e9"}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY * 300}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY, "isOpenAIKey": "maybe"}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY, "proxy": canary.KEY}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": canary.KEY, "secret": canary.KEY}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": "x", "endpoint": f"//{canary.KEY}@a"}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": "x", "apiVersion": canary.KEY}}),
    # As a name, which is all that a message would quote.
    ("createChatCompletion", CHAT, {canary.KEY: "x"}),
    ("createChatCompletion", CHAT, {canary.KEY * 9: "x"}),
    ("createChatCompletion", CHAT, {"fields": {canary.KEY: "x"}}),
    ("createChatCompletion", CHAT, {"fields": {"apiKey": "x", canary.KEY * 9: "x"}}),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, fields("https://a.example")),
    ("createChatCompletion", {**CHAT, canary.KEY * 9: 1}, fields("https://a.example")),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, fields("http://a.example")),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, {"apiKey": canary.KEY}),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, {"fields": {"key": canary.KEY}}),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, {"fields": canary.KEY}),
    ("createChatCompletion", {**CHAT, canary.KEY: 1}, canary.KEY),
    (
        "createChatCompletion",
        {**CHAT, "messages": json.dumps({canary.KEY: 1})[:-1] + f', "{canary.KEY}": 2}}'},
        {"fields": {}},
    ),
    (
        "createChatCompletion",
        {**CHAT, "messages": '{"a": 1, ' * 2 + f'"{canary.KEY * 9}": 1, "{canary.KEY * 9}": 2}}}}'},
        fields("https://a.example"),
    ),
    ("createChatCompletion", {**CHAT, "temperature": canary.KEY}, fields("https://a.example")),
    ("createImage", {"prompt": "x", "imageSize": canary.KEY}, fields("https://a.example")),
    (
        "rawRequest",
        {"method": "GET", "headers": {"Authorization": canary.KEY}},
        fields("https://a.example"),
    ),
    (
        "rawRequest",
        {"method": "GET", "url": f"https://{canary.KEY}@evil.example"},
        fields("https://a.example"),
    ),
]


@pytest.mark.parametrize(("action", "inputs", "connection"), MISPLACED)
def test_a_refused_payload_is_not_quoted(
    connector: Connector, action: str, inputs: Any, connection: Any
) -> None:
    result = connector.invoke(action, inputs, connection)
    assert result.error is not None
    assert (result.error.sent, result.meta["attempts"]) == ("no", 0)
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)
    call = canary.Opaque(lambda: connector.call(action, inputs, connection))
    canary.assert_absent("a traceback with locals", call.traceback())


def test_the_key_of_a_configured_connection_that_is_refused_is_not_quoted() -> None:
    configured = {"mine": fields("http://a.example")}
    connector = Connector.load(connections=configured)
    result = connector.invoke("createChatCompletion", {**CHAT, canary.KEY: 1}, "mine")
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == [
        "/connection/fields/endpoint",
        "/inputs/***",
    ]
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)


def test_a_name_that_could_be_a_key_is_not_quoted_if_nothing_can_mask_it(
    connector: Connector,
) -> None:
    connection = fields("https://a.example")
    for error in (
        connector.invoke(canary.KEY, {}, connection).error,
        connector.options(canary.KEY, connection).error,
    ):
        assert error is not None
        assert f"of {len(canary.KEY)} characters" in error.message
        canary.assert_no_part("the message", error.message)


@pytest.mark.parametrize("version", [None, "2024-10-21"])
def test_a_key_that_a_caller_repeats_is_sent_but_not_logged(
    connector: Connector, version: str | None
) -> None:
    """The fixture above looks at the logs, and at what http.client prints when told to."""
    with FaultServer({"json": chat_completion("Hi")}) as server:
        connection = fields(server.url, isOpenAIKey=version is None, apiVersion=version)
        for _, inputs in (
            raw("json", url=f"/v1/{canary.KEY}"),
            raw("json", url=f"/v1/a?b={canary.KEY}"),
            raw("json", queryParams={"b": canary.KEY}),
        ):
            assert connector.invoke("rawRequest", inputs, connection).ok
        connector.invoke("createChatCompletion", {**CHAT, "model": canary.KEY}, connection)
        assert all(canary.KEY in received.target for received in server.requests[:3])
        assert len(server.requests) == 4


def test_debugging_of_the_standard_library_prints_nothing_of_ours(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with FaultServer({"json": 1}) as server:
        assert connector.invoke(*raw("json"), fields(server.url)).ok
    assert capfd.readouterr().out == ""


def test_an_exception_that_passes_through_carries_no_key(connector: Connector) -> None:
    """As SystemExit does, from the handler of a signal by which a worker is told to stop."""

    def answer(*_: Any) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGUSR1)
        return {"hang": True}

    def leave(*_: Any) -> None:
        raise SystemExit(3)

    old = signal.signal(signal.SIGUSR1, leave)
    try:
        with FaultServer(answer) as server:
            connection = fields(server.url)
            call = canary.Opaque(lambda: connector.invoke("createChatCompletion", CHAT, connection))
            shown = call.traceback(SystemExit)
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert "SystemExit: 3" in shown
    canary.assert_absent("a traceback with locals", shown)


def test_a_key_in_the_endpoint_is_masked_too(connector: Connector) -> None:
    with FaultServer([{"json": {"data": []}}, {"status": 429, "text": "Later."}]) as server:
        connection = fields(f"{server.url}/{canary.KEY}/v1")
        good = connector.test_connection(connection)
        bad = connector.test_connection(connection)
    assert (good.ok, bad.ok) == (True, False)
    for result in (good, bad):
        assert "/***" in result.data["endpoint"]["message"]
        for where, content in canary.everything_of(result):
            canary.assert_absent(where, content)


@pytest.mark.parametrize("way", ["http", "https", "proxy", "tunnel"])
def test_a_key_in_the_name_of_a_host_is_in_no_log(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Not where a connection is opened, dropped by the server, or more than the pool keeps."""

    def look_up(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    scheme = "https" if way in ("https", "tunnel") else "http"
    for size in (256, 0):
        monkeypatch.setattr(session, "POOL_SIZE", size)
        with FaultServer({"json": 1}) as server:
            name = f"{canary.KEY}.internal:{server.port}"
            proxy = {"proxy": f"http://{name}"} if way in ("proxy", "tunnel") else {}
            connection = fields(f"{scheme}://{name}", **proxy)
            connector.invoke("rawRequest", {"method": "GET"}, connection)
        connector.invoke("rawRequest", {"method": "GET"}, connection)
        assert server.connections > 0


@pytest.mark.parametrize("key", ["hunter2", "1234"])
def test_a_short_key_is_masked_in_messages_as_a_whole_word(connector: Connector, key: str) -> None:
    error = {"message": f"Bad key: {key}. (a{key})", "code": key}
    with FaultServer(
        [{"status": 401, "json": {"error": error}}, {"text": f"<p>{key}</p>"}]
    ) as server:
        to = fields(server.url, apiKey=key)
        refused, page = (connector.invoke("createChatCompletion", CHAT, to) for _ in range(2))
    assert refused.error is not None
    assert page.error is not None
    assert (refused.error.message, refused.error.provider_code) == (
        f"Bad key: ***. (a{key})",
        "***",
    )
    assert "<p>***</p>" in page.error.message


def test_a_key_of_digits_breaks_no_response(connector: Connector) -> None:
    with FaultServer({"json": chat_completion("12345678 it is", created=1712345678)}) as server:
        result = connector.invoke(
            "createChatCompletion", CHAT, fields(server.url, apiKey="12345678")
        )
    assert result.ok, result.to_dict()
    assert result.data["created"] == 1712345678
    assert result.data["choices"][0]["message"]["content"] == "*** it is"


def test_a_proxy_sees_the_key_of_a_private_http_endpoint_and_its_own_login_only(
    connector: Connector,
) -> None:
    """And what it quotes of either is masked."""
    with FaultServer({"echo": "all"}) as server:
        proxy = f"http://{canary.PROXY_USER}:{canary.PROXY_PASSWORD}@127.0.0.1:{server.port}"
        connection = fields("http://gateway.internal", proxy=proxy)
        result = connector.invoke(*raw("json"), connection)
        assert result.ok, result.to_dict()
        assert server.requests[0].target == "http://gateway.internal/v1/models"
        assert server.requests[0].header("proxy-authorization")
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)


def test_a_proxy_of_a_secured_connection_sees_no_key(connector: Connector) -> None:
    with FaultServer({"status": 502, "echo": "all"}) as server:
        connection = fields("https://api.example.com", proxy=f"http://127.0.0.1:{server.port}")
        result = connector.invoke("rawRequest", {"method": "GET"}, connection)
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("connect_failed", "no")
        (received,) = server.requests
        assert (received.method, received.target) == ("CONNECT", "api.example.com:443")
        canary.assert_absent("what the proxy saw", repr(received))


def test_objects_that_hold_the_key_neither_show_nor_pickle_it(connector: Connector) -> None:
    secret = Secret(canary.KEY)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>10}", repr([secret])):
        canary.assert_absent("a printed secret", shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(connector)
    error = ConnectorError("timeout", "x", sent="unknown", details=[{"path": "/a"}])
    error.data = {"a": 1}
    again = pickle.loads(pickle.dumps(error))
    assert (again.to_dict(), again.data, again.args) == (error.to_dict(), {"a": 1}, ("x",))


@given(st.binary(max_size=60), st.binary(max_size=60), st.lists(st.integers(1, 40), max_size=8))
def test_a_key_across_two_pieces_is_masked(before: bytes, after: bytes, sizes: list[int]) -> None:
    whole = before + canary.KEY.encode() + after + BASE64.encode()
    pieces, at = [], 0
    for size in [*sizes, len(whole)]:
        pieces.append(whole[at : at + size])
        at += size
    masked = b"".join(scrubbed(iter(pieces), Secret(canary.KEY)))
    canary.assert_absent("the pieces", masked)
    assert masked.startswith(before[: len(before) - 3])
    assert before + b"***" + after in masked


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.binary())
def test_any_key_is_masked_in_json_and_base64(key: str, before: bytes) -> None:
    secret = Secret(key)
    if key in "***":
        return
    assert secret.scrub_bytes(json.dumps(key).encode()) == b'"***"'
    assert secret.scrub_json({"a": [key, 1]}) == {"a": ["***", 1]}
    encoded = base64.b64encode(before + key.encode() + b"after").decode()
    assert "***" in secret.scrub(encoded)
