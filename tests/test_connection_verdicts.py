"""What the test of a connection may conclude from a response, and from no response.

Whole conversations with gateways are in `cases/contract/gateways.yaml`.
"""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.actions import models
from connector.doors.cli import main as cli
from connector.providers.error_body import lacks_model, refuses_key, refuses_version

from .support.fault_server import FaultServer, refused_port

KEY = "sk-verdict-0123456789abcdef"


def fields(endpoint: str, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": KEY, "isOpenAIKey": True, "endpoint": endpoint, **more}}


def verdicts(connector: Connector, connection: dict[str, Any]) -> dict[str, str]:
    result = connector.test_connection(connection)
    assert isinstance(result.data, dict)
    assert all(part["message"] for part in result.data.values())
    return {name: part["verdict"] for name, part in result.data.items()}


def rejected(status: int, message: str, code: str | None = None, param: str | None = None) -> Any:
    return ConnectorError(
        "bad_request", message, http_status=status, provider_code=code, provider_param=param
    )


@pytest.mark.parametrize(
    ("status", "message", "code", "proof"),
    [
        (401, "Incorrect API key provided: sk-w***89.", "invalid_api_key", True),
        (401, "Access denied due to invalid subscription key or wrong API endpoint.", "401", True),
        (401, "HTTP 401", None, True),
        (401, "No such organization: org-x.", "invalid_organization", False),
        (401, "Your IP is not on the project's allow list.", "ip_not_authorized", False),
        (400, "API key not valid. Please pass a valid API key.", None, True),
        (400, "Missing required key 'messages'.", None, False),
        (400, "Invalid key in the request body: model", None, False),
        (403, "Invalid API Key", None, True),
        (403, "Your subscription key has expired.", None, True),
        (403, "Not for keys.", "AuthenticationTypeDisabled", True),
        (403, "Access denied due to Virtual Network/Firewall rules.", "403", False),
        (403, "Missing scopes: api.model.read.", None, False),
        (404, "The API key is missing from this path.", None, False),
    ],
)
def test_what_proves_a_wrong_key(status: int, message: str, code: str | None, proof: bool) -> None:
    assert refuses_key(rejected(status, message, code)) is proof


@pytest.mark.parametrize(
    ("status", "message", "code", "proof"),
    [
        (400, "API version not supported", "BadRequest", True),
        (404, "The api-version '2020-01-01' is not supported.", None, True),
        (400, "Unsupported api version.", None, True),
        (400, "No.", "UnsupportedApiVersion", True),
        (400, "No.", "InvalidApiVersionParameter", True),
        (404, "Resource not found", "404", False),
        (404, "<hr>nginx version 1.27", None, False),
        (400, "This version of the model is not supported.", None, False),
        (403, "API version not supported", None, False),
    ],
)
def test_what_proves_a_wrong_version(
    status: int, message: str, code: str | None, proof: bool
) -> None:
    assert refuses_version(rejected(status, message, code)) is proof


@pytest.mark.parametrize(
    ("status", "message", "code", "param", "proof"),
    [
        (404, "There is none.", "DeploymentNotFound", None, True),
        (404, "There is none.", "model_not_found", None, True),
        (404, "Not this one.", None, "model", True),
        (404, "The model `None` does not exist.", "NotFoundError", None, True),
        (404, "Deployment gpt-4o-mini not found", None, None, True),
        (404, "model '' not found, try pulling it first", None, None, True),
        (404, "Unknown model: ''.", None, None, True),
        (404, "Invalid URL (POST /v1/chat/completions)", None, None, False),
        (404, "Path not found: /openai/deployments/a/chat/completions", None, None, False),
        (404, "Resource not found", "404", None, False),
        (500, "The model does not exist.", "model_not_found", None, False),
    ],
)
def test_what_proves_that_chat_is_served(
    status: int, message: str, code: str | None, param: str | None, proof: bool
) -> None:
    assert lacks_model(rejected(status, message, code, param)) is proof


def test_nobody_listens(connector: Connector) -> None:
    with refused_port() as port:
        to = fields(f"http://127.0.0.1:{port}")
        assert verdicts(connector, to)["endpoint"] == "failed"


def test_an_unreachable_proxy_proves_nothing_about_the_endpoint(connector: Connector) -> None:
    with refused_port() as port:
        to = fields("https://api.example.com", proxy=f"http://127.0.0.1:{port}")
        found = verdicts(connector, to)
    assert found == {"endpoint": "unknown", "key": "unknown", "version": "unknown"}


def test_an_untrusted_certificate_is_a_failure(connector: Connector) -> None:
    with FaultServer({"json": {"data": []}}, tls="self_signed") as server:
        found = verdicts(connector, fields(server.url))
    assert found == {"endpoint": "failed", "key": "unknown", "version": "unknown"}


def test_a_forbidden_address_is_a_failure_of_the_test(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    result = connector.test_connection(fields("https://gateway.example"))
    assert result.error is not None
    assert result.error.code == "blocked_target"
    assert result.data["endpoint"]["verdict"] == "failed"


def test_a_deployment_that_fits_no_path_is_never_requested(connector: Connector) -> None:
    with FaultServer({"status": 404, "json": {"detail": "Not Found"}}) as server:
        endpoint = f"{server.url}/openai/deployments/a%3Fb?api-version=2024-10-21"
        result = connector.test_connection(fields(endpoint, isOpenAIKey=False))
        assert len(server.requests) <= 1
    assert not result.ok


def test_the_key_shows_in_no_verdict_and_no_warning(connector: Connector) -> None:
    refused = {"status": 403, "json": {"error": {"message": f"Key {KEY} may not do this."}}}
    with FaultServer(refused) as server:
        result = connector.test_connection(fields(server.url))
    assert KEY not in json.dumps(result.to_dict())
    assert "may not do this" in result.data["key"]["message"]


def test_an_error_with_the_status_of_a_success_proves_nothing(
    connector: Connector,
) -> None:
    error = {"error": "Unexpected endpoint or method."}
    with FaultServer([{"status": 404, "json": error}, {"json": error}]) as server:
        found = verdicts(connector, fields(server.url))
    assert found == {"endpoint": "unknown", "key": "unknown", "version": "unknown"}


def test_a_chat_response_without_choices_proves_nothing(connector: Connector) -> None:
    with FaultServer([{"status": 404, "json": {}}, {"json": {"status": "fine"}}]) as server:
        found = verdicts(connector, fields(server.url))
    assert found == {"endpoint": "unknown", "key": "unknown", "version": "unknown"}


@pytest.mark.parametrize("answer", [{"text": "[]"}, {"json": {"value": []}}, {"text": "<html>"}])
def test_another_version_with_an_unrelated_response_proves_nothing(
    connector: Connector, answer: dict[str, Any]
) -> None:
    missing = {"status": 404, "json": {"error": {"code": "404", "message": "Resource not found"}}}
    with FaultServer([missing, missing, answer]) as server:
        to = fields(server.url, isOpenAIKey=False, apiVersion="2023-05-15")
        assert verdicts(connector, to)["version"] == "unknown"
        assert len(server.requests) == 3


def test_the_command_line_says_why_a_dropdown_is_empty(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with FaultServer({"status": 404, "json": {"detail": "Not Found"}}) as server:
        monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert cli.main(["options", "selectModel"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out) == []
    assert shown.err.startswith("warning: The endpoint lists no models (HTTP 404)")


def test_the_handler_is_no_test_of_pytest() -> None:
    """Whatever module of tests imports it."""
    assert not getattr(models.test_connection, "__test__", True)
