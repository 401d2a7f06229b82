"""The Responses API: what is sent, looking at a response in the background, failures."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from connector import Cancellation, Connector, attempts
from connector.sandbox import Sandbox

from .conftest import FakeClock
from .support.fault_server import FaultServer, Received
from .support.front import call, connection, inputs_of, refusal

ACTION = "createResponse"
ID = "resp_1"


def said(status: str = "completed", text: str = "Hi", **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "role": "assistant", "content": [part]}
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    is_over = status in ("completed", "incomplete")
    body = {
        "id": ID,
        "object": "response",
        "status": status,
        "error": None,
        "output": [message] if is_over else [],
        "usage": usage if is_over else None,
        **more,
    }
    return {"json": body}


def test_the_object_is_unchanged_and_its_usage_counted(connector: Connector) -> None:
    answer = said(of_theirs={"x": 1})
    seen = call(connector, ACTION, answer)
    assert seen.data == answer["json"]
    assert seen.envelope["meta"]["usage"] == answer["json"]["usage"]
    assert seen.requests[0].json() == {"model": "some-model", "input": "Hi"}


def test_everything_that_can_be_sent(connector: Connector) -> None:
    inputs = {
        "input": '[{"role": "user", "content": "Hi"}]',
        "instructions": "Be short.",
        "temperature": "0",
        "topP": 0.5,
        "maxTokens": "16",
        "tools": [{"type": "web_search"}],
        "previousResponseId": "resp_0",
        "background": "true",
        "extraParameters": {"store": True},
    }
    seen = call(connector, ACTION, said(), inputs)
    assert seen.requests[0].json() == {
        "model": "some-model",
        "input": [{"role": "user", "content": "Hi"}],
        "instructions": "Be short.",
        "temperature": 0,
        "top_p": 0.5,
        "max_output_tokens": 16,
        "tools": [{"type": "web_search"}],
        "previous_response_id": "resp_0",
        "background": True,
        "store": True,
    }


def test_a_background_response_is_looked_at_until_it_is_complete(
    connector: Connector, fake_clock: FakeClock
) -> None:
    answers = [said("queued"), said("queued"), refusal(500), *[said("in_progress")] * 7, said()]
    seen = call(connector, ACTION, answers, {"background": True})
    assert seen.data["status"] == "completed"
    assert seen.envelope["meta"]["usage"]["total_tokens"] == 4
    assert [(r.method, r.target) for r in seen.requests] == [
        ("POST", "/v1/responses"),
        *[("GET", f"/v1/responses/{ID}")] * 10,
    ]
    looks = [seconds for seconds in fake_clock.sleeps if seconds != 0.5]
    assert looks == sorted(looks)
    assert max(looks) == 5.0


def test_a_response_that_takes_too_long_goes_on_and_can_be_found(
    connector: Connector, fake_clock: FakeClock
) -> None:
    seen = call(connector, ACTION, said("in_progress"), {"background": True})
    assert (seen.error["code"], seen.error["sent"]) == ("deadline_exceeded", "unknown")
    assert seen.envelope["data"]["id"] == ID
    assert f"GET /v1/responses/{ID}" in seen.error["hint"]
    assert {request.method for request in seen.requests[1:]} == {"GET"}


def test_a_look_that_fails_keeps_the_response(connector: Connector) -> None:
    answers = [said("queued"), refusal(404, message="Gone.")]
    seen = call(connector, ACTION, answers, {"background": True})
    assert (seen.error["code"], seen.error["sent"]) == ("not_found", "unknown")
    assert seen.envelope["data"]["id"] == ID


def test_a_cancelled_call_cancels_its_response(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_LAST_SECONDS", 60.0)
    cancel = Cancellation()

    def answer(received: Received, index: int) -> dict[str, Any]:
        if index == 2:
            cancel.cancel()
        return said("cancelled" if received.target.endswith("/cancel") else "in_progress")

    with FaultServer(answer) as server:
        result = connector.invoke(
            ACTION, inputs_of(ACTION, background=True), connection(server.url), cancel=cancel
        )
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "unknown")
    assert result.data["id"] == ID
    last = server.requests[-1]
    assert (last.method, last.target) == ("POST", f"/v1/responses/{ID}/cancel")
    assert result.meta["attempts"] == len(server.requests) - 1


class _Stop(Exception):
    """What an engine raises into a call."""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs a signal of one's own")
def test_an_engine_that_ends_the_call_cancels_its_response(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, no_gc_callbacks: None
) -> None:
    monkeypatch.setattr(attempts, "_LAST_SECONDS", 60.0)
    main = threading.main_thread().ident
    assert main is not None

    def stop(*_: Any) -> None:
        raise _Stop

    def answer(received: Received, index: int) -> dict[str, Any]:
        if index == 2:
            signal.pthread_kill(main, signal.SIGUSR1)
        return said("cancelled" if received.target.endswith("/cancel") else "in_progress")

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with FaultServer(answer) as server, pytest.raises(_Stop):
            connector.invoke(ACTION, inputs_of(ACTION, background=True), connection(server.url))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert server.requests[-1].target == f"/v1/responses/{ID}/cancel"


@pytest.mark.parametrize("name", [None, "", 7, "a/b", "..", "a?b"])
def test_an_id_that_is_no_part_of_a_path(connector: Connector, name: Any) -> None:
    seen = call(connector, ACTION, said("queued", id=name), {"background": True})
    assert seen.outcome == ("invalid_response", "unknown", 1)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ({"code": "server_error", "message": "Oops."}, "server_error"),
        ({"code": "rate_limit_exceeded", "message": "Oops."}, "rate_limited"),
        ({"code": "invalid_image", "message": "Oops."}, "bad_request"),
        ({"code": "content_filter", "message": "Oops."}, "content_filtered"),
        ({}, "bad_request"),
        (None, "bad_request"),
        ("Oops.", "bad_request"),
    ],
)
def test_a_failed_response_is_an_error(connector: Connector, failure: Any, code: str) -> None:
    seen = call(connector, ACTION, said("failed", error=failure, output=[]))
    assert seen.outcome == (code, "unknown", 1)
    assert seen.error["httpStatus"] == 200
    assert seen.envelope["data"]["status"] == "failed"
    if isinstance(failure, dict) and failure:
        assert seen.error["message"] == "Oops."
        assert seen.error["providerCode"] == failure["code"]


def test_a_response_that_somebody_cancelled(connector: Connector) -> None:
    seen = call(connector, ACTION, [said("queued"), said("cancelled")], {"background": True})
    assert (seen.error["code"], seen.error["sent"]) == ("cancelled", "unknown")
    assert seen.envelope["data"]["id"] == ID
    assert len(seen.requests) == 2


@pytest.mark.parametrize(
    ("details", "reason"),
    [({"reason": "max_output_tokens"}, "max_output_tokens"), (None, "None"), (7, "None")],
)
def test_an_incomplete_response_is_warned_of(
    connector: Connector, details: Any, reason: str
) -> None:
    seen = call(connector, ACTION, said("incomplete", incomplete_details=details))
    assert seen.data["status"] == "incomplete"
    assert seen.envelope["meta"]["warnings"] == [f"The response is incomplete ({reason})."]


@pytest.mark.parametrize("output", [None, {}, "Hi"])
def test_what_has_no_output_is_refused(connector: Connector, output: Any) -> None:
    seen = call(connector, ACTION, said(output=output))
    assert seen.outcome == ("invalid_response", "unknown", 1)


def test_an_extra_parameter_with_an_input_is_refused(connector: Connector) -> None:
    extra = {"max_output_tokens": 1, "background": True, "stream": True}
    seen = call(connector, ACTION, said(), {"extraParameters": extra})
    assert seen.outcome == ("invalid_input", "no", 0)
    assert [row["path"].rpartition("/")[2] for row in seen.error["details"]] == [*extra]


def test_a_successor_that_takes_no_sampling(connector: Connector, fake_clock: FakeClock) -> None:
    """The default model retires on 2027-01-14; its successor is a reasoning model."""
    later = Connector.load(clock=fake_clock.clock()._replace(today=lambda: "2027-02-01"))
    seen = call(later, ACTION, said(), {"model": None, "temperature": 0.5, "maxTokens": 20})
    later.close()
    body = {"model": "gpt-5-mini", "input": "Hi", "max_output_tokens": 20}
    assert seen.requests[0].json() == body
    assert any("temperature" in text for text in seen.envelope["meta"]["warnings"])


# On the sandbox


@pytest.mark.parametrize("kind", ["openai", "azure", "azure-dated"])
def test_the_sandbox_continues_a_conversation(
    connector: Connector, sandbox: Sandbox, kind: str
) -> None:
    to = sandbox.connection(kind)
    first = connector.call(ACTION, {"input": "Hi", "background": True}, to)
    then = connector.call(ACTION, {"input": "And?", "previousResponseId": first["id"]}, to)
    assert then["previous_response_id"] == first["id"]
    prefix = "" if kind == "openai" else "/openai"
    assert [(r.method, r.path, dict(r.query)) for r in sandbox.requests] == [
        ("POST", f"{prefix}/v1/responses", {}),
        ("GET", f"{prefix}/v1/responses/{first['id']}", {}),
        ("POST", f"{prefix}/v1/responses", {}),
    ]


@pytest.mark.parametrize(
    ("inputs", "code", "says"),
    [
        ({"previousResponseId": "resp_x"}, "bad_request", "Previous response with id 'resp_x'"),
        ({"model": "gpt-image-2"}, "not_found", ""),
        ({"model": "no-such-model"}, "not_found", "does not exist"),
        ({"background": True, "extraParameters": {"store": False}}, "bad_request", "store"),
        ({"input": [{"role": "user", "content": "sandbox:error"}]}, "server_error", "sandbox"),
    ],
)
def test_the_sandbox_refuses_what_the_service_does(
    connector: Connector, sandbox: Sandbox, inputs: dict[str, Any], code: str, says: str
) -> None:
    result = connector.invoke(ACTION, {"input": "Hi", **inputs}, sandbox.connection("openai"))
    assert result.error is not None
    assert result.error.code == code
    assert says in result.error.message


def test_the_sandbox_cuts_and_filters(connector: Connector, sandbox: Sandbox) -> None:
    to = sandbox.connection("openai")
    result = connector.invoke(ACTION, {"input": "word " * 40, "maxTokens": 16}, to)
    assert result.data["incomplete_details"] == {"reason": "max_output_tokens"}
    result = connector.invoke(ACTION, {"input": "sandbox:filter"}, to)
    assert result.data["incomplete_details"] == {"reason": "content_filter"}
    assert connector.invoke(ACTION, {"input": "sandbox:filter"}, sandbox.connection("azure")).error


def test_the_sandbox_cancels_what_is_in_the_background(
    connector: Connector, sandbox: Sandbox
) -> None:
    to = sandbox.connection("openai")

    def cancelled(background: bool) -> Any:
        made = connector.call(ACTION, {"input": "Hi", "background": background}, to)
        url = f"/v1/responses/{made['id']}/cancel"
        return connector.invoke("rawRequest", {"method": "POST", "url": url}, to)

    assert cancelled(True).data["status"] == "cancelled"
    assert cancelled(False).error.code == "bad_request"


def test_the_sandbox_follows_a_schema(connector: Connector, sandbox: Sandbox) -> None:
    form = {"type": "json_schema", "name": "x", "schema": {"type": "object", "properties": {}}}
    inputs = {"input": "Hi", "extraParameters": {"text": {"format": form}}}
    made = connector.call(ACTION, inputs, sandbox.connection("openai"))
    assert made["output"][0]["content"][0]["text"] == "{}"
