"""Connections with Microsoft Entra ID, against a token endpoint of our own over TLS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from connector import Connector, Reach
from connector.result import Result
from tests.support import tls
from tests.support.fault_server import FaultServer, Received, SilentListener, chat_completion
from tests.support.front import inputs_of

pytest.importorskip("azure.identity")

CHAT = "createChatCompletion"
SECRET = "abc8Q~secret-of-the-application"
TENANT = "11111111-2222-3333-4444-555555555555"
TOKENS = [f"eyJ0eXAi.token-number-{number}.signature" for number in range(9)]

Answer = Callable[[Received], dict[str, Any]]


class Authority:
    """A token endpoint: discovery, and one token after another."""

    def __init__(self, answer: Answer | None = None) -> None:
        self._answer = answer
        self.issued = 0

    def __enter__(self) -> Authority:
        self._server = FaultServer(self._respond, tls="good").__enter__()
        self.url = self._server.url
        return self

    def __exit__(self, *details: Any) -> None:
        self._server.__exit__(*details)

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        """The forms that asked for a token."""
        bodies = [r.body for r in self._server.requests if r.method == "POST"]
        return [parse_qs(body.decode()) for body in bodies]

    def _respond(self, request: Received | None, _: int) -> dict[str, Any]:
        assert request is not None
        if request.method == "GET":
            base = f"{self.url}/{TENANT}"
            return {
                "json": {
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "issuer": f"{base}/v2.0",
                }
            }
        if self._answer is not None:
            return self._answer(request)
        self.issued += 1
        token = {"token_type": "Bearer", "expires_in": 3600}
        return {"json": {**token, "access_token": TOKENS[self.issued - 1]}}


def refused(number: int, text: str = "No.") -> Answer:
    """An authority that refuses every credential with this number."""
    error = {"error": "invalid_client", "error_description": f"AADSTS{number}: {text} {SECRET}"}
    return lambda _: {"status": 401, "json": {**error, "error_codes": [number]}}


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as running:
        yield running


def to(provider: str, authority: str, folder: Path, **fields: Any) -> dict[str, Any]:
    given = {
        "endpoint": provider,
        "tenantId": TENANT,
        "clientId": "66666666-7777-8888-9999-000000000000",
        "clientSecret": SECRET,
        "authority": authority,
        "caFile": str(tls.ca_file(folder)),
        **fields,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return {"key": "entraId", "fields": known}


def call(connection: Any, **options: Any) -> Result:
    return Connector.load().invoke(CHAT, inputs_of(CHAT), connection, **options)


def failure(result: Result) -> tuple[str, str]:
    assert result.error is not None, result.to_dict()
    return result.error.code, result.error.sent


def test_a_call_carries_a_token_for_the_service(authority: Authority, tmp_path: Path) -> None:
    with FaultServer([{"json": chat_completion()}]) as provider:
        result = call(to(provider.url, authority.url, tmp_path))
    assert result.ok, result.to_dict()
    (request,) = provider.requests
    assert request.header("authorization") == f"Bearer {TOKENS[0]}"
    assert request.header("api-key") is None
    assert request.target == "/openai/v1/chat/completions"
    (form,) = authority.forms
    assert form["scope"] == ["https://ai.azure.com/.default"]
    assert form["client_secret"] == [SECRET]
    assert result.meta["attempts"] == 1


@pytest.mark.parametrize(
    ("version", "scope"),
    [
        (None, "https://ai.azure.com/.default"),
        ("2024-10-21", "https://cognitiveservices.azure.com/.default"),
    ],
)
def test_the_scope_is_that_of_the_surface(
    authority: Authority, tmp_path: Path, version: str | None, scope: str
) -> None:
    with FaultServer([{"json": chat_completion()}]) as provider:
        assert call(to(provider.url, authority.url, tmp_path, apiVersion=version)).ok
    assert authority.forms[0]["scope"] == [scope]


def test_many_threads_share_one_token(authority: Authority, tmp_path: Path) -> None:
    connector = Connector.load()
    with FaultServer(lambda *_: {"json": chat_completion()}) as provider:
        connection = to(provider.url, authority.url, tmp_path)
        results: list[Result] = []
        start = threading.Barrier(50)

        def run() -> None:
            start.wait()
            results.append(connector.invoke(CHAT, inputs_of(CHAT), connection))

        threads = [threading.Thread(target=run) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(results) == 50
    assert all(result.ok for result in results)
    assert len(authority.forms) == 1


def test_a_401_is_worth_one_fresh_token(authority: Authority, tmp_path: Path) -> None:
    refusal = {"status": 401, "json": {"error": {"code": "401", "message": "Expired."}}}
    with FaultServer([refusal, {"json": chat_completion()}]) as provider:
        result = call(to(provider.url, authority.url, tmp_path))
    assert result.ok
    sent = [request.header("authorization") for request in provider.requests]
    assert sent == [f"Bearer {TOKENS[0]}", f"Bearer {TOKENS[1]}"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (90002, "Tenant ID"),
        (700016, "Client ID"),
        (7000215, "Client Secret is wrong"),
        (7000222, "Client Secret has expired"),
        (700027, "certificate"),
        (1234567, "list of error codes"),
    ],
)
def test_a_refused_credential_says_which_field_is_wrong(
    tmp_path: Path, number: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with SilentListener() as silent, Authority(refused(number)) as authority:
        result = call(to(silent.url, authority.url, tmp_path))
    assert failure(result) == ("authentication_failed", "no")
    assert result.error is not None
    assert f"AADSTS{number}" in result.error.message
    assert said in (result.error.hint or "")
    assert SECRET not in json.dumps(result.to_dict()) + caplog.text
    assert silent.connections == 0


def test_a_missing_role_is_told_from_a_wrong_credential(
    authority: Authority, tmp_path: Path
) -> None:
    message = "The principal lacks the required data action"
    refusal = {"status": 401, "json": {"error": {"code": "PermissionDenied", "message": message}}}
    with FaultServer(lambda *_: refusal) as provider:
        result = Connector.load().test_connection(to(provider.url, authority.url, tmp_path))
    assert failure(result)[1] in ("no", "rejected")
    assert message in json.dumps(result.to_dict())


def test_the_token_is_shown_nowhere(authority: Authority, tmp_path: Path) -> None:
    echo = {"status": 400, "json": {"error": {"message": f"{TOKENS[0]} {SECRET}"}}}
    with FaultServer([echo]) as provider:
        connection = to(provider.url, authority.url, tmp_path)
        result = call(connection)
        dry = call(connection, dry_run=True)
    shown = json.dumps([result.to_dict(), dry.to_dict()])
    assert TOKENS[0] not in shown
    assert SECRET not in shown
    assert dry.data["headers"]["Authorization"] == "Bearer ***"


def test_a_host_of_tokens_that_cannot_be_reached_is_not_the_provider(tmp_path: Path) -> None:
    with SilentListener() as silent:
        result = call(to(silent.url, "https://127.0.0.1:1", tmp_path))
    assert failure(result) == ("connect_failed", "no")
    assert silent.connections == 0


def test_a_fetch_waits_no_longer_than_the_call(tmp_path: Path) -> None:
    with SilentListener() as silent:
        secure = silent.url.replace("http:", "https:")
        result = call(to(silent.url, secure, tmp_path), timeout_ms=300)
    assert failure(result) == ("deadline_exceeded", "no")


@pytest.mark.parametrize("name", ["tenantId", "clientId", "clientSecret"])
def test_what_a_credential_needs_is_required(tmp_path: Path, name: str) -> None:
    result = call(to("https://x.openai.azure.com", "https://127.0.0.1:1", tmp_path, **{name: None}))
    assert failure(result) == ("invalid_connection", "no")
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == [f"/connection/fields/{name}"]


@pytest.mark.parametrize(
    "name", ["credential", "certificateFile", "certificatePassword", "authority"]
)
def test_payloads_of_others_reach_no_identity_of_the_machine(tmp_path: Path, name: str) -> None:
    connector = Connector.load(reach=Reach())
    value = {"credential": "managedIdentity", "authority": "https://evil.example"}.get(name, "x")
    fields = {"endpoint": "https://x.openai.azure.com", name: value}
    result = connector.invoke(CHAT, inputs_of(CHAT), {"key": "entraId", "fields": fields})
    assert failure(result) == ("invalid_connection", "no")
    assert result.error is not None
    assert name in json.dumps(result.error.details)


def test_a_certificate_signs_the_request(authority: Authority, tmp_path: Path) -> None:
    certificate = tls.certificate_authority().issue_cert(
        "application.example", key_type=trustme.KeyType.RSA
    )
    file = tmp_path / "application.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    with FaultServer([{"json": chat_completion()}]) as provider:
        connection = to(
            provider.url,
            authority.url,
            tmp_path,
            clientSecret=None,
            credential="clientCertificate",
            certificateFile=str(file),
        )
        assert call(connection).ok
    assert "client_assertion" in authority.forms[0]


def test_a_certificate_file_that_is_none_is_refused(authority: Authority, tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        file = tmp_path / "application.pem"
        if content is not None:
            file.write_text(content, encoding="utf-8")
        connection = to(
            "https://x.openai.azure.com",
            authority.url,
            tmp_path,
            credential="clientCertificate",
            certificateFile=str(file),
        )
        code, sent = failure(call(connection))
        assert (code, sent) in [("invalid_connection", "no"), ("authentication_failed", "no")]


def test_a_server_without_a_key_gets_none() -> None:
    with FaultServer([{"json": chat_completion()}]) as server:
        connection = {"key": "none", "fields": {"endpoint": server.url}}
        result = call(connection)
        dry = call(connection, dry_run=True)
    assert result.ok
    (request,) = server.requests
    assert request.target == "/v1/chat/completions"
    assert request.header("authorization") is None
    assert request.header("api-key") is None
    assert "Authorization" not in dry.data["headers"]
