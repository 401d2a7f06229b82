"""Calls whose events are read while they are under way (contract, section 7)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Cancellation, Connector
from connector.policy.clock import SYSTEM_CLOCK
from connector.result import Result
from connector.sandbox import Sandbox
from tests.support.event_peer import (
    DONE,
    STOP,
    EventPeer,
    Step,
    chunk,
    event,
    texts,
    usage,
    whole,
)
from tests.support.fault_server import FaultServer
from tests.support.front import KEY, connection, inputs_of
from tests.support.manifests import with_policies

pytestmark = pytest.mark.core

CHAT = "createChatCompletion"
SUMMARY = "summarizeText"
ERROR = {"error": {"message": "Overloaded.", "code": "server_error"}}


@pytest.fixture
def make_connector(tmp_path: Path) -> Callable[..., Connector]:
    """Makes connectors with other policies."""
    return lambda **policies: with_policies(tmp_path, policies, SYSTEM_CLOCK)


def read(
    connector: Connector, url: str, action: str = CHAT, **options: Any
) -> tuple[list[dict[str, Any]], Result]:
    inputs = inputs_of(action, **options.pop("inputs", {}))
    with connector.stream(action, inputs, connection(url), **options) as stream:
        events = list(stream)
    return events, stream.result


def failure(result: Result) -> tuple[str, str]:
    assert result.error is not None
    return result.error.code, result.error.sent


# The same result as without a stream


@pytest.mark.parametrize("surface", ["openai", "azure", "azure-dated"])
@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "Hi"}]}),
        (CHAT, {"messages": [{"role": "user", "content": "Hi"}], "numChoices": 3}),
        (CHAT, {"messages": [{"role": "user", "content": "Hi"}], "maxTokens": 3}),
        (
            CHAT,
            {
                "messages": [{"role": "user", "content": "sandbox:call-tool f"}],
                "extraParameters": {
                    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]
                },
            },
        ),
        (
            CHAT,
            {
                "messages": [{"role": "user", "content": "Hi"}],
                "extraParameters": {"logprobs": True, "top_logprobs": 2},
            },
        ),
        (SUMMARY, {"textToSummarize": "Tides rise. " * 50}),
        (SUMMARY, {"textToSummarize": "Tides rise. " * 20_000}),
    ],
)
def test_the_result_equals_that_of_a_call_without_a_stream(
    connector: Connector, sandbox: Sandbox, surface: str, action: str, inputs: dict[str, Any]
) -> None:
    to = sandbox.connection(surface)
    plain = connector.invoke(action, inputs, to)
    with connector.stream(action, inputs, to) as stream:
        events = list(stream)
    result = stream.result
    assert result.error is None, result.to_dict()
    assert result.data == plain.data
    assert result.meta["usage"] == plain.meta["usage"]
    if action == SUMMARY:
        assert texts(events).strip() == plain.data["summary"]
        return
    for choice in plain.data["choices"]:
        assert texts(events, choice["index"]) == (choice["message"]["content"] or "")
        calls = [e["call"] for e in events if e["type"] == "toolCall"]
        assert calls == choice["message"].get("tool_calls", [])


def test_the_request_asks_for_events_and_their_usage(connector: Connector) -> None:
    with EventPeer(whole("Hel", "lo")) as peer:
        events, result = read(connector, peer.url)
    assert peer.requests[0]["stream"] is True
    assert peer.requests[0]["stream_options"] == {"include_usage": True}
    assert "accept: text/event-stream" in peer.heads[0].lower()
    assert events == [
        {"type": "text", "index": 0, "text": "Hel"},
        {"type": "text", "index": 0, "text": "lo"},
    ]
    assert result.data == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "some-model",
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    assert result.meta["requestId"] == "req-1"
    assert result.meta["usage"] == result.data["usage"]


def test_an_event_passes_before_the_next_one_arrives(connector: Connector) -> None:
    seen = threading.Event()
    steps: list[Step] = [event(chunk("a")), lambda: seen.wait(30), event(chunk("b", **STOP)), DONE]
    with EventPeer(steps) as peer:
        inputs = inputs_of(CHAT)
        with connector.stream(CHAT, inputs, connection(peer.url)) as stream:
            for found in stream:
                if found["text"] == "a":
                    assert not seen.is_set()
                    seen.set()
        assert stream.result.ok


def test_the_connection_is_used_again(connector: Connector) -> None:
    with EventPeer(whole("a"), whole("b")) as peer:
        for _ in range(2):
            _, result = read(connector, peer.url)
            assert result.ok
    assert peer.connections == 1


def test_tool_calls_come_once_they_are_whole(connector: Connector) -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function}

    first = {"id": "call-1", "type": "function", **call(0, name="f", arguments="")}
    second = {"id": "call-2", "type": "function", **call(1, name="g", arguments="{")}
    deltas = [
        {"role": "assistant", "content": None, "tool_calls": [first]},
        {"tool_calls": [call(0, arguments='{"a"')]},
        {"tool_calls": [call(0, arguments=": 1}")]},
        {"tool_calls": [second]},
        {"tool_calls": [call(1, arguments="}")]},
    ]
    steps = [event(chunk(delta=delta)) for delta in deltas]
    steps += [event(chunk(finish_reason="tool_calls")), DONE]
    with EventPeer(steps) as peer:
        events, result = read(connector, peer.url)
    calls = [
        {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "call-2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert events == [{"type": "toolCall", "index": 0, "call": call} for call in calls]
    message = result.data["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "tool_calls": calls}


def test_a_refusal_has_events_of_its_own(connector: Connector) -> None:
    steps = [event(chunk(delta={"refusal": text})) for text in ("I ", "won't.")]
    with EventPeer([*steps, event(chunk(**STOP)), DONE]) as peer:
        events, result = read(connector, peer.url)
    assert [(e["type"], e["text"]) for e in events] == [("refusal", "I "), ("refusal", "won't.")]
    assert result.data["choices"][0]["message"]["refusal"] == "I won't."


@pytest.mark.parametrize("choices", [{"a": 0}, "x", [1], [{"index": "0"}], [{"delta": [1]}]])
def test_an_event_of_another_shape_is_invalid(connector: Connector, choices: Any) -> None:
    with EventPeer([event({**chunk(), "choices": choices}), *whole("a")]) as peer:
        _, result = read(connector, peer.url)
    assert failure(result) == ("invalid_response", "unknown")


def test_a_response_without_a_stream_is_passed_on_whole(connector: Connector) -> None:
    plain = {
        **chunk(),
        "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    }
    with FaultServer([{"json": plain}]) as server:
        events, result = read(connector, server.url)
    assert events == [{"type": "text", "index": 0, "text": "Hello"}]
    assert result.data == plain


def test_stream_options_are_left_out_where_the_server_rejects_them(connector: Connector) -> None:
    refusal = {"error": {"message": "Unknown parameter: stream_options", "param": "stream_options"}}
    body = b"".join([event(chunk("a", **STOP)), DONE]).decode()
    stream = {"text": body, "headers": {"Content-Type": "text/event-stream"}}
    with FaultServer([{"status": 400, "json": refusal}, stream]) as server:
        events, result = read(connector, server.url)
    assert texts(events) == "a"
    assert "stream_options" not in server.requests[1].json()
    assert any("usage" in text for text in result.meta["warnings"])


# The format of events


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000], ids=lambda size: f"in pieces of {size} bytes")
@pytest.mark.parametrize(
    "bend",
    [
        lambda text: text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b": ping\n\n" + text.replace(b"\n\n", b"\nid: 1\nretry: 5\n\n: ping\n\n"),
        lambda text: text.replace(b"data: ", b"event: message\ndata:"),
        lambda text: text.replace(b', "choices"', b',\ndata: "choices"'),
        lambda text: text.replace(b"\n\n", b"\n\n\n\n"),
    ],
    ids=["LF", "CR LF", "CR", "BOM", "comments", "no space", "many lines", "blank lines"],
)
def test_events_are_read_as_the_standard_says(connector: Connector, bend: Any, split: int) -> None:
    text = bend(b"".join(whole("Hel", "lö")))
    pieces = [text[at : at + split] for at in range(0, len(text), split)]
    with EventPeer(pieces) as peer:
        events, result = read(connector, peer.url)
    assert texts(events) == "Hellö"
    assert result.ok


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_stream_is_read(connector: Connector, coding: str) -> None:
    body = b"".join(whole("Hel", "lo")).decode()
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    with FaultServer([{"text": body, "headers": headers, coding: True}]) as server:
        events, result = read(connector, server.url)
    assert texts(events) == "Hello"
    assert result.ok


def test_a_stream_without_its_mark_is_complete_if_every_choice_ended(connector: Connector) -> None:
    with EventPeer([event(chunk("a", **STOP))]) as peer:
        events, result = read(connector, peer.url)
    assert texts(events) == "a"
    assert result.ok


# Faults at every border


BORDERS = range(1, 4)
"""After so many events of text, of four."""


def _begun(border: int) -> list[bytes]:
    return whole("a", "b", "c", "d")[: border + 1]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    ("rest", "ends", "code"),
    [
        ([], "cut", "protocol_error"),
        ([], "reset", "connection_lost"),
        ([], "whole", "connection_lost"),
        ([b"data: {"], "cut", "protocol_error"),
        ([event(ERROR)], "whole", "server_error"),
        ([b"event: error\n", event(ERROR)], "whole", "server_error"),
        ([b"data: no JSON\n\n"], "whole", "invalid_response"),
        ([b"data: []\n\n"], "whole", "invalid_response"),
        ([b'data: {"choices": [{"delta": {"content": 1}}]}\n\n'], "whole", "invalid_response"),
    ],
    ids=["cut", "reset", "end", "half", "error", "named error", "junk", "list", "number"],
)
def test_a_stream_that_fails_keeps_what_arrived_and_is_not_repeated(
    connector: Connector, border: int, rest: list[bytes], ends: str, code: str
) -> None:
    with EventPeer([*_begun(border), *rest], whole("again"), ends=ends) as peer:
        events, result = read(connector, peer.url)
        assert len(peer.requests) == 1
    expected = "abcd"[:border]
    assert texts(events) == expected
    assert failure(result) == (code, "unknown")
    assert result.data["choices"][0]["message"]["content"] == expected
    assert result.meta["attempts"] == 1


@pytest.mark.parametrize("action", [CHAT, SUMMARY])
def test_a_failure_before_the_first_event_is_retried(connector: Connector, action: str) -> None:
    body = b"".join(whole("Hello")).decode()
    stream = {"text": body, "headers": {"Content-Type": "text/event-stream"}}
    scripts = [{"status": 500, "json": ERROR}, {**stream, "text": "data: "}, stream]
    with FaultServer(scripts) as server:
        events, result = read(connector, server.url, action)
    assert texts(events) == "Hello"
    assert result.ok
    assert result.meta["attempts"] == 3


def test_a_summary_that_breaks_off_keeps_its_shape(connector: Connector) -> None:
    with EventPeer(_begun(2), ends="cut") as peer:
        events, result = read(connector, peer.url, SUMMARY)
    assert texts(events) == "ab"
    assert failure(result) == ("protocol_error", "unknown")
    assert result.data["summary"] == "ab"
    assert set(result.data) == {"summary", "model", "choices", "usage"}


def test_no_event_for_the_idle_time_is_deadline_exceeded(make_connector: Any) -> None:
    connector = make_connector(streamIdleMs=50)
    forever = threading.Event()
    with EventPeer([*_begun(1), forever.wait]) as peer:
        try:
            events, result = read(connector, peer.url)
        finally:
            forever.set()
    assert texts(events) == "a"
    assert failure(result) == ("deadline_exceeded", "unknown")
    assert result.error is not None
    assert "0.05 s" in result.error.message
    assert result.data["choices"][0]["message"]["content"] == "a"


def test_a_slow_reader_is_not_idle(make_connector: Any) -> None:
    connector = make_connector(streamIdleMs=200)
    pause = threading.Event()
    events = []
    with (
        EventPeer(whole(*"abcdef")) as peer,
        connector.stream(CHAT, inputs_of(CHAT), connection(peer.url)) as stream,
    ):
        for found in stream:
            pause.wait(0.1)
            events.append(found)
    assert texts(events) == "abcdef"
    assert stream.result.ok


def test_an_event_that_never_ends_is_too_large(make_connector: Any) -> None:
    connector = make_connector(maxTextBytes=1000)
    with EventPeer([b"data: ", *[b"x" * 100] * 20]) as peer:
        _, result = read(connector, peer.url)
    assert failure(result) == ("response_too_large", "unknown")


# The end from outside


def test_leaving_early_hangs_up_and_keeps_what_arrived(connector: Connector) -> None:
    forever = threading.Event()
    before = threading.active_count()
    with EventPeer([*_begun(2), forever.wait]) as peer:
        with connector.stream(CHAT, inputs_of(CHAT), connection(peer.url)) as stream:
            for found in stream:
                if found["text"] == "b":
                    break
            with pytest.raises(RuntimeError, match="has not ended"):
                _ = stream.result
        forever.set()
    assert failure(stream.result) == ("cancelled", "unknown")
    assert stream.result.data["choices"][0]["message"]["content"] == "ab"
    assert list(stream) == []
    assert threading.active_count() <= before + 1  # the watchdog


def test_a_cancellation_ends_a_stream(connector: Connector) -> None:
    cancel = Cancellation()
    forever = threading.Event()
    with EventPeer([*_begun(1), cancel.cancel, forever.wait]) as peer:
        try:
            events, result = read(connector, peer.url, cancel=cancel)
        finally:
            forever.set()
    assert texts(events) == "a"
    assert failure(result) == ("cancelled", "unknown")


def test_an_exception_of_the_reader_passes_with_the_result(connector: Connector) -> None:
    class SoftLimit(Exception):
        connector_result: Result

    forever = threading.Event()

    def task(url: str) -> None:
        with connector.stream(CHAT, inputs_of(CHAT), connection(url)) as stream:
            next(stream)
            raise SoftLimit

    with EventPeer([*_begun(1), forever.wait]) as peer:
        with pytest.raises(SoftLimit) as raised:
            task(peer.url)
        forever.set()
    assert failure(raised.value.connector_result) == ("cancelled", "unknown")


def test_the_time_of_the_whole_is_bounded(connector: Connector) -> None:
    forever = threading.Event()
    with EventPeer([*_begun(1), forever.wait]) as peer:
        try:
            events, result = read(Connector.load(), peer.url, timeout_ms=300)
        finally:
            forever.set()
    assert texts(events) == "a"
    assert failure(result) == ("deadline_exceeded", "unknown")


def test_a_full_queue_holds_the_provider_back(connector: Connector) -> None:
    """Nobody reads the events: the peer cannot send all of them, however many there are."""
    big = event(chunk("x" * 10_000))
    sent = 0

    def endless() -> Iterator[Any]:
        nonlocal sent
        while sent < 100_000:
            sent += 1
            yield big

    with (
        EventPeer(endless()) as peer,
        connector.stream(CHAT, inputs_of(CHAT), connection(peer.url)) as stream,
    ):
        next(stream)
        last, pause = -1, threading.Event()
        while last != sent:  # until the socket is full
            last = sent
            pause.wait(0.3)
    assert sent < 20_000
    assert failure(stream.result) == ("cancelled", "unknown")


# Keys


@pytest.mark.parametrize("at", range(1, len(KEY)))
def test_a_key_split_over_two_events_is_masked(connector: Connector, at: int) -> None:
    with EventPeer(whole(f"It is {KEY[:at]}", f"{KEY[at:]}, no?")) as peer:
        events, result = read(connector, peer.url)
    assert texts(events) == "It is ***, no?"
    assert KEY not in json.dumps(result.to_dict())
    assert result.data["choices"][0]["message"]["content"] == "It is ***, no?"


def test_a_key_in_single_characters_is_masked(connector: Connector) -> None:
    with EventPeer(whole(*f"x{KEY}y sk-")) as peer:
        events, result = read(connector, peer.url)
    assert texts(events) == "x***y sk-"
    assert result.data["choices"][0]["message"]["content"] == "x***y sk-"


def test_a_key_in_tool_calls_and_errors_is_masked(connector: Connector) -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": KEY[:9]}}
    rest = {"index": 0, "function": {"arguments": KEY[9:]}}
    steps = [event(chunk(delta={"tool_calls": [part]})) for part in (call, rest)]
    steps += [event(chunk(finish_reason="tool_calls"))]
    steps += [event({"error": {"message": f"The key {KEY} is bad.", "code": KEY}})]
    with EventPeer(steps) as peer:
        events, result = read(connector, peer.url)
    assert events[0]["call"]["function"]["arguments"] == "***"
    assert KEY not in json.dumps([events, result.to_dict()])


def test_what_may_begin_a_key_is_passed_on_at_a_failure(connector: Connector) -> None:
    with EventPeer(whole("a sk-fr")[:2], ends="cut") as peer:
        events, _ = read(connector, peer.url)
    assert texts(events) == "a sk-fr"


# Use


def test_actions_without_a_stream_are_refused(connector: Connector) -> None:
    for action in ("createImage", "rawRequest", "createCompletions"):
        with connector.stream(action, inputs_of(action), connection("https://x.example")) as stream:
            assert list(stream) == []
        assert failure(stream.result) == ("invalid_payload", "no")
        assert CHAT in str(stream.result.to_dict()["error"]["hint"])


def test_the_manifest_says_which_actions_have_a_stream(connector: Connector) -> None:
    rows = connector.describe()["actions"]
    assert {row["key"] for row in rows if row.get("streams")} == {CHAT, SUMMARY, "createResponse"}


def test_wrong_inputs_are_the_result(connector: Connector) -> None:
    with connector.stream(CHAT, {"topP": 7}, connection("https://x.example")) as stream:
        assert list(stream) == []
    assert failure(stream.result) == ("invalid_input", "no")


def test_a_stream_is_used_once_and_in_a_with_statement(connector: Connector) -> None:
    stream = connector.stream(CHAT, {"topP": 7}, connection("https://x.example"))
    with pytest.raises(RuntimeError, match="with"):
        next(stream)
    with stream:
        pass
    with pytest.raises(RuntimeError, match="once"), stream:
        pass


def test_usage_of_a_stream_is_counted_once(connector: Connector) -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    steps = [event(chunk("a", **STOP)), event(usage(**counts)), DONE]
    with EventPeer(steps) as peer:
        _, result = read(connector, peer.url)
    assert result.meta["usage"] == counts
