"""The sandbox's server: connections, recorded requests, start and stop."""

from __future__ import annotations

import json
import logging
import socket
import threading

import pytest
import requests

from connector.sandbox import KINDS, Received, Sandbox, server

from .send import (
    AZURE,
    CHAT,
    OPENAI,
    Send,
    chat,
    deployment,
)


@pytest.mark.parametrize("kind", KINDS)
def test_connections(sandbox: Sandbox, send: Send, kind: str) -> None:
    connection = sandbox.connection(kind)
    fields = connection["fields"]
    assert (connection["key"], fields["endpoint"]) == ("apiKey", sandbox.url)
    path = {
        "openai": CHAT,
        "azure": "/openai/v1/chat/completions",
        "azure-dated": deployment("any", query=f"api-version={fields.get('apiVersion')}"),
    }[kind]
    key = fields["apiKey"]
    headers = {"Authorization": f"Bearer {key}"} if fields["isOpenAIKey"] else {"api-key": key}
    response = send(path, chat(), headers=headers)
    assert response.status_code == 200
    wanted = "openai-processing-ms" if kind == "openai" else "apim-request-id"
    for name in (wanted, "x-request-id", "x-ratelimit-remaining-requests"):
        assert response.headers[name]
    with pytest.raises(ValueError, match="no such kind"):
        sandbox.connection("aws")


def test_requests_are_recorded(send: Send, sandbox: Sandbox) -> None:
    assert sandbox.requests == []
    send(deployment("my%20gpt"), chat())
    (received,) = sandbox.requests
    assert isinstance(received, Received)
    assert received.path == "/openai/deployments/my%20gpt/chat/completions"
    assert (received.method, received.query) == ("POST", {"api-version": "2024-10-21"})
    assert received.headers["api-key"] == AZURE["api-key"]
    assert json.loads(received.body) == chat()


def test_start_stop_and_callback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    lines: list[tuple[str, str, int]] = []
    before = threading.active_count()
    sandbox = Sandbox({}, on_request=lambda *line: lines.append(line))
    with pytest.raises(RuntimeError, match="not been started"):
        _ = sandbox.url
    sandbox.stop()
    for _ in range(2):
        sandbox.start()
        with pytest.raises(RuntimeError, match="already"):
            sandbox.start()
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address"), Sandbox({}, port=port):
            pytest.fail("two servers on one port")
        assert requests.get(sandbox.url + "/v1/models", timeout=60).status_code == 401
        sandbox.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=60)
    assert lines == [("GET", "/v1/models", 401)] * 2
    assert threading.active_count() <= before
    assert not caplog.records


def test_stopping_ends_a_slow_response(caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox({}) as sandbox, pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(sandbox.url + "/fault/slow/v1/models", headers=OPENAI, timeout=(60, 0.05))
    with Sandbox({}) as sandbox, socket.create_connection(("127.0.0.1", port_of(sandbox))) as sock:
        sock.sendall(
            b"GET /fault/slow/v1/models HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer sk-a\r\n\r\n"
        )
        while not sandbox.requests:
            threading.Event().wait(0.001)
        sandbox.stop()
        assert sock.recv(100) == b""
    assert not caplog.records


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


def test_serve_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox({})
    started = threading.Event()
    start = sandbox.start

    def announce() -> None:
        start()
        started.set()

    monkeypatch.setattr(sandbox, "start", announce)
    thread = threading.Thread(target=sandbox.serve_forever)
    thread.start()
    assert started.wait(60)
    sandbox.stop()
    thread.join(60)
    assert not thread.is_alive()
    # Interrupted while it runs: everything is closed and the KeyboardInterrupt is raised.
    start()
    assert sandbox._thread is not None

    def interrupt(timeout: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox._thread, "join", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sandbox.serve_forever()
    assert sandbox._thread is None


def test_body_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_LIMIT", 1000)
    with Sandbox({}) as sandbox:
        for path, code in ((CHAT, None), (deployment("any"), "413")):
            response = requests.post(sandbox.url + path, data=b"x" * 2000, timeout=60)
            assert (response.status_code, response.json()["error"]["code"]) == (413, code)
            assert sandbox.requests[-1].body == b""
