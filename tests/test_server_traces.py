"""The spans of the HTTP door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connector.doors.server import traces
from connector.sandbox import Sandbox
from tests.support.front import inputs_of
from tests.support.http_door import RunningDoor, running_door

CHAT = "/v1/actions/createChatCompletion"
SECRET = "a text that nobody else may read"
EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module")
def door(running_sandbox: Sandbox) -> Iterator[RunningDoor]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)  # once in a process
    with running_door({"sandbox": running_sandbox.connection("openai")}) as running:
        yield running


def spans(door: RunningDoor, path: str, **inputs: Any) -> list[Any]:
    """Make a call and return its spans."""
    EXPORTER.clear()
    messages = [{"role": "user", "content": SECRET}]
    body = {
        "connection": "sandbox",
        "inputs": inputs_of("createChatCompletion", messages=messages, **inputs),
    }
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    door.post(path, body, headers=headers)
    found = list(EXPORTER.get_finished_spans())
    for span in found:
        assert SECRET not in span.to_json()
    return found


def test_a_call_is_a_span_of_its_caller(door: RunningDoor) -> None:
    (span,) = spans(door, CHAT, model="gpt-4o-mini")
    assert span.name == "chat gpt-4o-mini"
    assert format(span.context.trace_id, "032x") == "a" * 32
    assert format(span.parent.span_id, "016x") == "b" * 16
    found = dict(span.attributes)
    assert found.pop("gen_ai.usage.input_tokens") > 0
    assert found.pop("gen_ai.usage.output_tokens") > 0
    assert found == {
        "connector.action": "createChatCompletion",
        "connector.attempts": 1,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-mini",
    }


def test_a_failed_call_has_its_code_and_no_message(door: RunningDoor) -> None:
    (span,) = spans(door, CHAT, topP=7)
    assert span.attributes["error.type"] == "invalid_input"
    assert span.status.status_code is trace.StatusCode.ERROR
    assert not span.events


def test_a_dry_run_has_no_span(door: RunningDoor) -> None:
    assert spans(door, CHAT + "/dry-run") == []


def test_without_opentelemetry_calls_work(
    running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "HAS_API", False)
    with running_door({"sandbox": running_sandbox.connection("openai")}) as running:
        assert spans(running, CHAT) == []
