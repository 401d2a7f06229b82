"""The error of an action in which some of many parts failed.

Through the front, the worst attempt decides on `sent`; here only the parts decide.
"""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connector import Connector, ConnectorError
from connector.actions import partial
from connector.client import Client

from .support.front import connection, inputs_of


def client(sent: str = "rejected", ended_by: BaseException | None = None) -> Client:
    """As much of a client as is looked at: what its attempts came to, and what ended it."""
    return cast(Client, SimpleNamespace(sent=sent, interrupted=ended_by is not None))


def failed(code: Any, sent: Any = "no", **fields: Any) -> ConnectorError:
    return ConnectorError(code, f"Why {code}.", sent=sent, **fields)


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ([failed("connect_failed"), failed("connect_failed")], "no"),
        ([failed("connect_failed"), failed("bad_request", "rejected")], "rejected"),
        ([failed("bad_request", "rejected"), failed("connection_lost", "unknown")], "unknown"),
        ([failed("connection_lost", "unknown"), failed("connect_failed")], "unknown"),
        ([failed("connect_failed"), "done"], "unknown"),
        ([failed("bad_request", "rejected"), "done"], "unknown"),
    ],
)
def test_sent_is_that_of_the_worst_part(parts: list[Any], sent: str) -> None:
    assert partial.failure(parts, ["kept"], client(), "parts").sent == sent


def test_what_was_not_started_is_no_cause() -> None:
    parts = [failed("cancelled"), failed("server_error", http_status=503), failed("bad_request")]
    error = partial.failure(parts, None, client(), "calls")
    assert (error.code, error.http_status) == ("server_error", 503)
    assert error.message == "3 of 3 calls failed; the first: server_error: Why server_error."


def test_if_nothing_was_started_the_first_failure_is_the_cause() -> None:
    parts = [failed("cancelled", hint="First."), failed("cancelled", hint="Second.")]
    error = partial.failure(parts, None, client(), "calls")
    assert (error.code, error.hint) == ("cancelled", "First.")
    assert partial.failure(parts[:1], None, client(), "calls").hint == "First."


@pytest.mark.parametrize("code", ["invalid_input", "invalid_connection", "blocked_target"])
def test_a_refusal_before_anything_was_sent_is_the_error(code: str) -> None:
    parts = [failed(code), failed(code)]
    assert partial.failure(parts, ["kept"], client("no"), "parts") is parts[0]
    for others, sent in ((parts, "rejected"), ([*parts, "done"], "no")):
        error = partial.failure(others, ["kept"], client(sent), "parts")
        assert (error.code, error.data) == ("partial_failure", ["kept"])


def test_a_network_failure_does_not_count_as_a_rejection() -> None:
    error = partial.failure([failed("connect_failed")], ["kept"], client("no"), "parts")
    assert error.code == "partial_failure"


def test_a_defect_is_reported_as_one_if_nothing_was_done() -> None:
    defect = failed("internal_error")
    assert partial.failure([defect], ["kept"], client(), "parts").code == "internal_error"
    assert partial.failure([defect, "done"], ["kept"], client(), "parts").code == "partial_failure"
    error = partial.failure([failed("bad_request")], ["kept"], client(), "parts")
    assert error.code == "partial_failure"


def test_an_interrupt_is_reported_before_what_failed() -> None:
    parts = [failed("bad_request"), "done"]
    error = partial.failure(parts, ["kept"], client(ended_by=KeyboardInterrupt()), "parts")
    assert (error.code, error.data) == ("cancelled", ["kept"])


def test_everything_that_the_cause_reported_is_kept() -> None:
    told: dict[str, Any] = {
        "http_status": 429,
        "retry_after_ms": 7,
        "provider_code": "c",
        "provider_param": "p",
        "request_id": "r",
        "hint": "h",
    }
    error = partial.failure([failed("rate_limited", **told), "done"], [1], client(), "parts")
    assert {name: getattr(error, name) for name in told} == told


@pytest.mark.parametrize(
    ("parts", "retryable"),
    [
        ([failed("server_error"), "done"], True),
        ([failed("server_error"), failed("rate_limited")], True),
        ([failed("server_error"), failed("bad_request")], False),
        ([failed("server_error", retryable=False), failed("server_error")], False),
    ],
)
def test_a_partial_failure_is_retryable_if_each_part_is(parts: list[Any], retryable: bool) -> None:
    assert partial.failure(parts, ["kept"], client(), "parts").retryable is retryable


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("createCompletions", {"messages": ["a", "b"]}),
        ("createImage", {"model": "dall-e-3", "numImages": 2}),
    ],
)
def test_a_forbidden_address_is_not_a_failure_of_each_part(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, action: str, inputs: dict[str, Any]
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    to = connection("https://gateway.example")
    result = connector.invoke(action, inputs_of(action, **inputs), to)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("blocked_target", "no")
    assert "failed" not in result.error.message
    assert result.data is None
