"""Tools of a chat: refused if they cannot work, and their calls parsed and validated in `meta`."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import KINDS, Sandbox

from .support.fault_server import FaultServer, chat_completion
from .support.front import KEY, connection

pytestmark = pytest.mark.core

CHAT = "createChatCompletion"
HI = [{"role": "user", "content": "When is high tide?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"harbour": {"type": "string"}, "days": {"$ref": "#/$defs/days"}},
    "required": ["harbour"],
    "additionalProperties": False,
    "$defs": {"days": {"type": "integer", "minimum": 1}},
}
TIDE = {"type": "function", "function": {"name": "get_tide", "parameters": PARAMETERS}}
NOW = {"type": "function", "function": {"name": "now"}}
NOTE = {"type": "custom", "custom": {"name": "note"}}


def called(*calls: Any, index: int = 0) -> dict[str, Any]:
    """Return a response whose only choice makes these calls."""
    found = chat_completion("")
    message = {"role": "assistant", "content": None, "tool_calls": [*calls]}
    found["choices"] = [{"index": index, "message": message, "finish_reason": "tool_calls"}]
    return found


def function(name: Any, arguments: Any) -> dict[str, Any]:
    content = {"name": name, "arguments": arguments}
    return {"id": "call_1", "type": "function", "function": content}


def run(connector: Connector, response: Any, **inputs: Any) -> Any:
    """Return the result, which must have the response as its data, unchanged."""
    with FaultServer([{"json": response}]) as server:
        inputs = {"messages": HI, **inputs}
        result = connector.invoke(CHAT, inputs, connection(server.url))
    assert result.error is None
    return result


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (
            function("get_tide", '{"harbour": "Cuxhaven", "days": 2}'),
            {"arguments": {"harbour": "Cuxhaven", "days": 2}, "valid": True},
        ),
        (
            function("get_tide", '{"days": 0, "port": 1}'),
            {
                "arguments": {"days": 0, "port": 1},
                "valid": False,
                "paths": ["/days", "/harbour", "/port"],
            },
        ),
        (function("get_tide", '{"harbour": '), {"arguments": None, "valid": False, "paths": [""]}),
        (
            function("get_tide", {"harbour": "x"}),
            {"arguments": None, "valid": False, "paths": [""]},
        ),
        (function("get_tide", "[]"), {"arguments": [], "valid": False, "paths": [""]}),
        (function("now", ""), {"arguments": {}, "valid": True}),
        (function("now", None), {"arguments": {}, "valid": True}),
        (function("get_time", "{}"), {"arguments": {}, "valid": False, "paths": [""]}),
        (function(["now"], "{}"), {"arguments": {}, "valid": False, "paths": [""]}),
        (
            {"id": "call_1", "type": "custom", "custom": {"name": "note", "input": "Nine."}},
            {"arguments": "Nine.", "valid": True},
        ),
    ],
)
def test_a_call_is_parsed_and_validated(
    connector: Connector, call: dict[str, Any], wanted: dict[str, Any]
) -> None:
    response = called(call, index=3)
    result = run(connector, copy.deepcopy(response), tools=[TIDE, NOW, NOTE])
    assert result.data == response
    (row,) = result.meta["toolCalls"]
    content = call[call["type"]]
    paths = wanted.pop("paths", None)
    assert (row["choice"], row["id"], row["name"]) == (3, "call_1", content["name"])
    assert {key: row[key] for key in wanted} == wanted
    assert ("problems" in row) == (paths is not None)
    if paths is not None:
        assert sorted(item["path"] for item in row["problems"]) == paths


def test_all_calls_of_a_response_are_told(connector: Connector) -> None:
    calls = [function("get_tide", '{"harbour": "a"}'), function("now", "{}")]
    found = run(connector, called(*calls), tools=[TIDE, NOW]).meta["toolCalls"]
    assert [row["name"] for row in found] == ["get_tide", "now"]


@pytest.mark.parametrize(
    "calls", [None, "x", [], [None], [{"type": "function"}], [{"type": "other", "other": "x"}]]
)
def test_what_is_no_call_is_left_to_the_providers_object(connector: Connector, calls: Any) -> None:
    response = called()
    response["choices"][0]["message"]["tool_calls"] = calls
    assert "toolCalls" not in run(connector, response, tools=[TIDE]).meta


def test_tools_of_extra_parameters_are_validated_where_they_can_be(connector: Connector) -> None:
    broken = {"type": "function", "function": {"name": "now", "parameters": {"type": "nonsense"}}}
    extra = {"tools": [TIDE, broken, 7, {"type": []}], "tool_choice": "auto"}
    calls = [function("get_tide", "{}"), function("now", "{}")]
    found = run(connector, called(*calls), extraParameters=extra).meta["toolCalls"]
    assert [row["valid"] for row in found] == [False, None]


def test_a_call_without_known_tools_is_only_parsed(connector: Connector) -> None:
    (row,) = run(connector, called(function("now", '{"a": 1}'))).meta["toolCalls"]
    assert (row["arguments"], row["valid"]) == ({"a": 1}, None)


def test_a_key_inside_arguments_is_masked(connector: Connector) -> None:
    hidden = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    calls = called(function("get_tide", f'{{"harbour": "{hidden}"}}'))
    result = run(connector, calls, tools=[TIDE])
    assert KEY not in str(result.to_dict())
    assert result.meta["toolCalls"][0]["arguments"] == {"harbour": "***"}


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ("required", "required"),
        ("note", {"type": "custom", "custom": {"name": "note"}}),
        ("get_tide", {"type": "function", "function": {"name": "get_tide"}}),
        ({"type": "function", "function": {"name": "now"}}, None),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_is_chosen_by_its_name(
    connector: Connector, sandbox: Sandbox, kind: str, wanted: Any, sent: Any
) -> None:
    inputs = {"messages": HI, "tools": [TIDE, NOW, NOTE], "toolChoice": wanted}
    result = connector.invoke(CHAT, inputs, sandbox.connection(kind))
    assert result.error is None
    body = connector.invoke(CHAT, inputs, sandbox.connection(kind), dry_run=True).data["body"]
    assert body["tool_choice"] == (sent or wanted)
    assert body["tools"] == [TIDE, NOW, NOTE]
    assert result.meta["toolCalls"][0]["name"]


def test_a_stream_tells_the_same(connector: Connector, sandbox: Sandbox) -> None:
    inputs = {"messages": HI, "tools": [TIDE], "toolChoice": "get_tide"}
    whole = connector.invoke(CHAT, inputs, sandbox.connection("openai"))
    with connector.stream(CHAT, inputs, sandbox.connection("openai")) as stream:
        events = list(stream)
    assert stream.result.data == whole.data
    assert stream.result.meta["toolCalls"] == whole.meta["toolCalls"]
    assert [event["type"] for event in events] == ["toolCall"]


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ({"toolChoice": "auto"}, ["toolChoice: needs Tools"]),
        (
            {"tools": [NOW], "toolChoice": "then"},
            ["toolChoice: must be one of none, auto, required"],
        ),
        ({"tools": [NOW, NOW]}, ["tools/1/function/name: is the name of an earlier tool"]),
        (
            {"tools": [{"type": "function", "function": {"name": "a b"}}]},
            ["tools/0/function/name: must be at"],
        ),
        (
            {"tools": [{"type": "web_search"}], "toolChoice": "auto"},
            ["tools/0/type: must be one of"],
        ),
        (
            {
                "tools": [
                    {"type": "function", "function": {"name": "a", "parameters": {"type": "text"}}}
                ]
            },
            ["tools/0/function/parameters/type: "],
        ),
        (
            {"tools": [NOW], "extraParameters": {"tools": []}},
            ["extraParameters/tools: is set by Tools"],
        ),
        ({"tools": "get_tide"}, ["tools: is not JSON"]),
    ],
)
def test_tools_that_cannot_work_are_refused(
    connector: Connector, inputs: dict[str, Any], rows: list[str]
) -> None:
    result = connector.invoke(CHAT, {"messages": HI, **inputs}, connection("https://x.example"))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_input", "no")
    found = [
        f"{row['path'].removeprefix('/inputs/')}: {row['message']}"
        for row in result.error.details or ()
    ]
    assert len(found) == len(rows), found
    assert all(text.startswith(start) for text, start in zip(found, rows, strict=True)), found
