"""Streams of the Responses API: their events, what is kept of them, and their faults."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from connector import Connector
from connector.result import Result
from connector.sandbox import Sandbox

from .support.event_peer import EventPeer, event, texts
from .support.fault_server import FaultServer
from .support.front import connection, inputs_of

ACTION = "createResponse"
BEGUN: dict[str, Any] = {"id": "resp_1", "object": "response", "error": None, "output": []}
BEGUN["status"] = "in_progress"
LIMIT = {"error": {"code": "rate_limit_exceeded", "message": "Oops."}}
FLAT = {"type": "error", "code": "server_error", "message": "Oops."}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}

pytestmark = pytest.mark.core


def of(kind: str, **more: Any) -> bytes:
    return event({"type": f"response.{kind}", **more})


def delta(text: Any, at: int = 0, part: int = 0, kind: str = "output_text") -> bytes:
    return of(f"{kind}.delta", output_index=at, content_index=part, delta=text)


def message(*texts: str) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "status": "in_progress", "content": parts}


def ended(*items: Any, status: str = "completed", **more: Any) -> bytes:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    response = {**BEGUN, "status": status, "output": [*items], "usage": usage, **more}
    return of(status, response=response)


def whole(*pieces: str) -> list[bytes]:
    deltas = [delta(piece) for piece in pieces]
    return [of("created", response=BEGUN), *deltas, ended(message("".join(pieces)))]


def read(connector: Connector, url: str, **inputs: Any) -> tuple[list[dict[str, Any]], Result]:
    given = inputs_of(ACTION, **inputs)
    with connector.stream(ACTION, given, connection(url)) as stream:
        events = list(stream)
    return events, stream.result


@pytest.mark.parametrize("kind", ["openai", "azure", "azure-dated"])
@pytest.mark.parametrize(
    "inputs",
    [{"input": "Hi"}, {"input": [{"role": "user", "content": "word " * 40}], "maxTokens": 16}],
)
def test_the_result_equals_that_of_a_call_without_a_stream(
    connector: Connector, sandbox: Sandbox, kind: str, inputs: dict[str, Any]
) -> None:
    to = sandbox.connection(kind)
    plain = connector.invoke(ACTION, inputs, to)
    with connector.stream(ACTION, inputs, to) as stream:
        events = list(stream)
    assert stream.result.data == plain.data
    assert stream.result.meta["usage"] == plain.meta["usage"]
    assert stream.result.meta["warnings"] == plain.meta["warnings"]
    assert texts(events) == plain.data["output"][0]["content"][0]["text"]


def test_the_request_and_the_events(connector: Connector) -> None:
    with EventPeer(whole("Hel", "lo")) as peer:
        events, result = read(connector, peer.url)
    assert peer.requests[0] == {"model": "some-model", "input": "Hi", "stream": True}
    assert events == [
        {"type": "text", "index": 0, "text": "Hel"},
        {"type": "text", "index": 0, "text": "lo"},
    ]
    assert result.data["output"] == [message("Hello")]
    assert result.meta["usage"]["total_tokens"] == 5


def test_refusals_and_calls_of_tools(connector: Connector) -> None:
    steps = [
        delta("No.", kind="refusal"),
        of("output_item.added", output_index=1, item={**CALL, "arguments": ""}),
        of("function_call_arguments.delta", output_index=1, delta="{}"),
        of("output_item.done", output_index=1, item=CALL),
        of("output_item.done", output_index=2, item={"type": "web_search_call"}),
        ended(CALL),
    ]
    with EventPeer(steps) as peer:
        events, _ = read(connector, peer.url)
    assert events == [
        {"type": "refusal", "index": 0, "text": "No."},
        {"type": "toolCall", "index": 0, "call": CALL},
    ]


def test_the_background_is_not_streamed(connector: Connector, sandbox: Sandbox) -> None:
    to = sandbox.connection("openai")
    with connector.stream(ACTION, {"input": "Hi", "background": True}, to) as stream:
        assert list(stream) == []
    assert stream.result.data["status"] == "completed"
    assert "stream" not in json.loads(sandbox.requests[0].body)


def test_a_response_without_a_stream_is_passed_on_whole(connector: Connector) -> None:
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    plain = {**BEGUN, "status": "completed", "output": [message("Hel", "lo"), refusal, CALL]}
    with FaultServer([{"json": plain}]) as server:
        events, result = read(connector, server.url)
    assert events == [
        {"type": "text", "index": 0, "text": "Hel"},
        {"type": "text", "index": 0, "text": "lo"},
        {"type": "refusal", "index": 0, "text": "No."},
        {"type": "toolCall", "index": 0, "call": CALL},
    ]
    assert result.data == plain


@pytest.mark.parametrize(
    ("rest", "ends", "code"),
    [
        ([], "cut", "protocol_error"),
        ([], "reset", "connection_lost"),
        ([], "whole", "connection_lost"),
        ([b"data: [DONE]\n\n"], "whole", "invalid_response"),
        (
            [event(FLAT)],
            "whole",
            "server_error",
        ),
        (
            [event(LIMIT)],
            "whole",
            "server_error",
        ),
        ([of("completed", response=[])], "whole", "invalid_response"),
        ([delta(7)], "whole", "invalid_response"),
        ([delta("x", at="x")], "whole", "invalid_response"),  # type: ignore[arg-type] # on purpose
        ([of("output_item.done", item=7)], "whole", "invalid_response"),
    ],
)
def test_what_arrived_is_kept_and_nothing_is_repeated(
    connector: Connector, rest: list[bytes], ends: str, code: str
) -> None:
    steps = [
        of("created", response=BEGUN),
        of("output_item.done", output_index=0, item={"type": "reasoning"}),
        of("output_item.added", output_index=1, item={**message(), "id": "msg_1"}),
        delta("Hel", at=1),
        delta("lo", at=1),
        delta("there", at=1, part=1),
        *rest,
    ]
    with EventPeer(steps, whole("again"), ends=ends) as peer:
        events, result = read(connector, peer.url)
        assert len(peer.requests) == 1
    assert texts(events) == "Hellothere"
    output = [{"type": "reasoning"}, {**message("Hello", "there"), "id": "msg_1"}]
    assert result.data == {**BEGUN, "output": output}
    assert result.error is not None
    assert (result.error.code, result.error.sent) == (code, "unknown")


def test_a_failed_response_is_an_error(connector: Connector) -> None:
    failure = {"code": "server_error", "message": "Oops."}
    with EventPeer([delta("Hel"), ended(status="failed", error=failure)]) as peer:
        events, result = read(connector, peer.url)
    assert texts(events) == "Hel"
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("server_error", "Oops.")
    assert result.data["status"] == "failed"


def test_leaving_early_hangs_up(connector: Connector) -> None:
    forever = threading.Event()
    with EventPeer([of("created", response=BEGUN), delta("a"), forever.wait]) as peer:
        with connector.stream(ACTION, inputs_of(ACTION), connection(peer.url)) as stream:
            next(stream)
        forever.set()
    assert stream.result.error is not None
    assert stream.result.error.code == "cancelled"
    assert stream.result.data["output"] == [message("a")]
