"""Below /echo the sandbox answers with the request itself."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox import Sandbox

from .send import AZURE, OPENAI, Send


def test_a_request_is_echoed(send: Send) -> None:
    headers = {**OPENAI, "x-mine": "7"}
    found = send("/echo/v2/tickets?page=2", {"text": "Tide"}, headers=headers).json()
    assert found["headers"]["x-mine"] == "7"
    del found["headers"]
    assert found == {
        "method": "POST",
        "path": "/v2/tickets",
        "query": {"page": "2"},
        "body": {"text": "Tide"},
    }
    assert send("/echo").json()["path"] == "/"
    assert send("/echo").json()["body"] is None


@pytest.mark.parametrize(
    ("body", "echoed"), [(b"tide", "tide"), (b"[NaN]", "[NaN]"), (b"\xff", "\ufffd"), (b"[1]", [1])]
)
def test_any_body_is_echoed(send: Send, body: bytes, echoed: Any) -> None:
    assert send("/echo/x", method="POST", data=body).json()["body"] == echoed


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "token"])
def test_the_key_may_be_in_any_header(send: Send, header: str) -> None:
    assert send("/echo/x", headers={header: "sk-sandbox"}).status_code == 200
    wrong = send("/echo/x", headers={header: "sk-sandbox-wrong"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_api_key")
    assert send("/echo/x", headers=AZURE).status_code == 401


def test_faults_come_before_the_echo(send: Send, sandbox: Sandbox) -> None:
    assert send("/fault/error:1/echo/x").status_code == 500
    assert send("/fault/error:1/echo/x").status_code == 200
    assert send("/fault/empty/echo/x").json() == {}
    assert send("/echoes").status_code == 404


def test_a_connection_leads_to_the_echo(sandbox: Sandbox) -> None:
    fields = sandbox.connection("echo")["fields"]
    assert fields["endpoint"] == f"{sandbox.url}/echo"
