"""Standard tests that run each example on the sandbox: it succeeds, and failures are reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connector.connector import Connector
from connector.result import Result
from connector.sandbox import Sandbox
from connector.sandbox.echo import KIND as ECHO
from connector.testing.base import ConnectorTests, Example


class ExampleTests(ConnectorTests):
    """Tests of each example."""

    def test_an_example_sends_what_its_dry_run_shows(
        self, connector: Connector, sandbox: Sandbox, example: Example, kind: str
    ) -> None:
        connection = self.connection(sandbox, kind)
        planned = connector.invoke(example.action, example.inputs, connection, dry_run=True)
        if _is_elsewhere(connector, example, planned):
            result = connector.invoke(example.action, example.inputs, connection)
            assert _error(planned)["code"] == _error(result)["code"] == "invalid_connection"
            assert sandbox.requests == []
            return
        assert planned.error is None
        assert sandbox.requests == []
        plans = planned.data if isinstance(planned.data, list) else [planned.data]
        result = connector.invoke(example.action, example.inputs, connection)
        if result.error is not None:
            assert (kind, _error(result)["code"]) == (ECHO, "invalid_response"), result.error
        assert result.meta["action"] == example.action
        assert result.meta["attempts"] == len(sandbox.requests)
        json.dumps(result.to_dict(), allow_nan=False)
        sent = [(r.method, sandbox.url + r.path, [*r.query.items()]) for r in sandbox.requests]
        for plan in plans:
            url, _, query = plan["url"].partition("?")
            assert (plan["method"], url, parse_qsl(query)) in sent
        shown = json.dumps([planned.to_dict(), result.to_dict()])
        for key in self.secrets(connection):
            assert connection["fields"][key] not in shown

    def test_a_wrong_key_is_reported_and_not_shown(
        self, connector: Connector, sandbox: Sandbox, example: Example, kind: str
    ) -> None:
        connection = self.connection(sandbox, kind)
        secrets = self.secrets(connection)
        for key in secrets:
            connection["fields"][key] += "-wrong"
        result = connector.invoke(example.action, example.inputs, connection)
        if _is_elsewhere(connector, example, result):
            return
        error = _error(result)
        assert (error["code"], error["retryable"], error["sent"]) == (
            "authentication_failed",
            False,
            "rejected",
        )
        for key in secrets:
            assert connection["fields"][key] not in json.dumps(error)

    @pytest.mark.parametrize(
        ("fault", "code", "sent"),
        [
            ("error", "server_error", "rejected"),
            ("rate-limit", "rate_limited", "rejected"),
            ("quota", "quota_exhausted", "rejected"),
            ("cut", "protocol_error", "unknown"),
        ],
    )
    def test_a_failure_of_the_provider_is_reported(
        self,
        connector: Connector,
        sandbox: Sandbox,
        example: Example,
        fault: str,
        code: str,
        sent: str,
    ) -> None:
        connection = self.connection(sandbox, fault=fault)
        error = _error(connector.invoke(example.action, example.inputs, connection))
        assert (error["code"], error["sent"]) == (code, sent)

    @pytest.mark.parametrize("fault", ["empty", "html"])
    def test_an_unexpected_response_is_no_defect(
        self, connector: Connector, sandbox: Sandbox, example: Example, fault: str
    ) -> None:
        connection = self.connection(sandbox, fault=fault)
        result = connector.invoke(example.action, example.inputs, connection)
        assert result.ok or _error(result)["code"] == "invalid_response"


def _is_elsewhere(connector: Connector, example: Example, result: Result) -> bool:
    """Whether the provider of a result lacks the action, as the manifest says."""
    providers = connector.manifest.actions[example.action].providers
    return bool(providers) and result.meta["provider"] not in providers


def _error(result: Result) -> dict[str, Any]:
    """Return the error of a result, of its first failed item where items failed."""
    envelope = result.to_dict()
    assert not envelope["ok"], envelope
    error: dict[str, Any] = envelope["error"]
    if error["code"] == "partial_failure":
        error = next(_item_errors(envelope["data"]))
    return error


def _item_errors(data: Any) -> Iterator[dict[str, Any]]:
    """Yield the errors of the items that failed."""
    if isinstance(data, dict) and data.get("error"):
        yield data["error"]
    elif isinstance(data, list | dict):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _item_errors(item)
