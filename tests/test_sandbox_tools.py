"""Tools of the sandbox: which ones the model calls, and messages without text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox

from .support.sandbox_client import CHAT, DATED, answered, ask, chat, choice, events

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "get-time"}}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
GRAMMAR = {"type": "grammar", "grammar": {"definition": "start: /a+/", "syntax": "lark"}}
TOOLS = [WEATHER, CLOCK, SHELL]
PATHS = [CHAT, "/openai/v1/chat/completions", f"/openai/deployments/any/chat/completions?{DATED}"]


def named(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, kind: {"name": name}}


def allowed(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


def calls_of(found: Any) -> list[str]:
    calls = found["message"].get("tool_calls", [])
    assert found["finish_reason"] == ("tool_calls" if calls else "stop")
    assert (found["message"]["content"] is None) is bool(calls)
    return [call[call["type"]]["name"] for call in calls]


@pytest.mark.parametrize(
    ("prompt", "tool_choice", "expected"),
    [
        ("Hello", None, []),
        ("Hello", "auto", []),
        ("sandbox:call-tool get_weather", None, ["get_weather"]),
        ("Please: sandbox:call-tool get_weather.", "auto", ["get_weather"]),
        ("sandbox:call-tool `get-time`, now", "auto", ["get-time"]),
        ("sandbox:call-tool: shell", "auto", ["shell"]),
        ("sandbox:call-tool shell sandbox:call-tool get_weather", "auto", ["shell", "get_weather"]),
        ("sandbox:call-tool get_news", "auto", []),
        ("sandbox:call-tool Get_Weather", "auto", []),
        ("sandbox:call-tool get_weather_now", "auto", []),
        ("sandbox:call-tool", "auto", []),
        ("sandbox:call-tool shell", "none", []),
        ("Hello", "required", ["get_weather"]),
        ("sandbox:call-tool shell", "required", ["shell"]),
        ("sandbox:call-tool get_news", "required", ["get_weather"]),
        ("Hello", named("function", "get-time"), ["get-time"]),
        ("sandbox:call-tool shell", named("function", "get-time"), ["get-time"]),
        ("Hello", named("custom", "shell"), ["shell"]),
        ("Hello", allowed("auto", named("custom", "shell")), []),
        (
            "sandbox:call-tool shell",
            allowed("auto", named("custom", "shell"), named("function", "get-time")),
            ["shell"],
        ),
        ("sandbox:call-tool get_weather", allowed("auto", named("custom", "shell")), []),
        ("Hello", allowed("required", named("custom", "shell"), WEATHER), ["shell"]),
        ("sandbox:call-tool get_weather", allowed("required", named("custom", "shell")), ["shell"]),
    ],
)
def test_which_tool_is_called(
    sandbox: Sandbox, prompt: str, tool_choice: Any, expected: list[str]
) -> None:
    body = chat(prompt, tools=TOOLS)
    if tool_choice is not None:
        body["tool_choice"] = tool_choice
    assert calls_of(choice(ask(sandbox, CHAT, body))) == expected


@pytest.mark.parametrize("path", PATHS)
def test_calls_say_what_was_asked(sandbox: Sandbox, path: str) -> None:
    prompt = "Oslo sandbox:call-tool get_weather sandbox:call-tool shell"
    found = choice(ask(sandbox, path, chat(prompt, tools=TOOLS)))
    function, custom = found["message"]["tool_calls"]
    assert json.loads(function["function"]["arguments"]) == {"city": "Oslo"}
    assert custom["custom"] == {"name": "shell", "input": "Oslo"}
    assert function["id"] != custom["id"]


def test_a_prompt_that_is_only_the_mark_is_repeated(sandbox: Sandbox) -> None:
    body = chat("sandbox:call-tool shell", tools=TOOLS)
    (call,) = choice(ask(sandbox, CHAT, body))["message"]["tool_calls"]
    assert call["custom"]["input"] == "sandbox:call-tool shell"


def test_one_call_if_parallel_ones_are_disabled(sandbox: Sandbox) -> None:
    prompt = "sandbox:call-tool shell sandbox:call-tool get_weather"
    body = chat(prompt, tools=TOOLS, parallel_tool_calls=False)
    assert calls_of(choice(ask(sandbox, CHAT, body))) == ["shell"]


def test_every_choice_has_calls_of_its_own(sandbox: Sandbox) -> None:
    body = chat(tools=TOOLS, tool_choice="required", n=2)
    first, second = answered(ask(sandbox, CHAT, body))["choices"]
    assert first["message"]["tool_calls"][0]["id"] != second["message"]["tool_calls"][0]["id"]


def test_what_a_model_calls_is_counted(sandbox: Sandbox) -> None:
    body = chat("a" * 40, tools=TOOLS, tool_choice=named("custom", "shell"))
    assert answered(ask(sandbox, CHAT, body))["usage"]["completion_tokens"] == 10


@pytest.mark.parametrize("path", PATHS)
def test_calls_are_streamed(sandbox: Sandbox, path: str) -> None:
    body = chat("Oslo sandbox:call-tool shell sandbox:call-tool get_weather", tools=TOOLS)
    body["stream"] = True
    parts = [part for event in events(ask(sandbox, path, body)) for part in event["choices"]]
    (delta,) = [part["delta"] for part in parts if "tool_calls" in part["delta"]]
    assert (delta["role"], delta["content"]) == ("assistant", None)
    first, second = delta["tool_calls"]
    assert (first["index"], first["type"]) == (0, "custom")
    assert first["custom"] == {"name": "shell", "input": "Oslo"}
    assert (second["index"], second["function"]["name"]) == (1, "get_weather")
    assert parts[-1]["finish_reason"] == "tool_calls"


def test_a_conversation_goes_on_after_its_calls(sandbox: Sandbox) -> None:
    prompt = "Oslo sandbox:call-tool shell sandbox:call-tool get_weather"
    body = chat(prompt, tools=TOOLS)
    message = choice(ask(sandbox, CHAT, body))["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "sandbox:call-tool shell"}
        for call in message["tool_calls"]
    ]
    body["messages"] += [message, *results]
    assert calls_of(choice(ask(sandbox, CHAT, body))) == []


def test_the_connector_hands_calls_through(connector: Connector, sandbox: Sandbox) -> None:
    inputs = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "sandbox:call-tool shell"}],
        "extraParameters": {"tools": TOOLS, "tool_choice": "auto"},
    }
    for kind in sandbox.kinds:
        result = connector.invoke("createChatCompletion", inputs, sandbox.connection(kind))
        assert result.ok, result.to_dict()
        assert calls_of(result.data["choices"][0]) == ["shell"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        ({"tools": [{"type": "custom", "function": {"name": "f"}}]}, "tools[0].custom"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "a", "format": {"type": "xml"}}}]},
            "tools[0].custom.format.type",
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "a", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
        ),
        ({"tool_choice": named("custom", "get_weather")}, "tool_choice"),
        ({"tool_choice": named("function", "shell")}, "tool_choice"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.custom"),
        ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"tool_choice": allowed("auto", named("custom", "other"))}, "tool_choice"),
        ({"tool_choice": allowed("none", SHELL)}, "tool_choice.allowed_tools.mode"),
        ({"tool_choice": allowed("auto")}, "tool_choice.allowed_tools.tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}},
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"tool_choice": allowed("auto", {"type": "custom"})},
            "tool_choice.allowed_tools.tools[0].custom",
        ),
    ],
)
def test_refused_tools(sandbox: Sandbox, more: dict[str, Any], param: str) -> None:
    response = ask(sandbox, CHAT, chat(**{"tools": TOOLS, **more}))
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("shape", [{"type": "text"}, GRAMMAR])
def test_a_custom_tool_may_have_a_format(sandbox: Sandbox, shape: dict[str, Any]) -> None:
    tool = {"type": "custom", "custom": {"name": "a", "format": shape}}
    body = chat(tools=[tool], tool_choice="required")
    assert calls_of(choice(ask(sandbox, CHAT, body))) == ["a"]


def assistant(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", **more}


CUSTOM_CALL = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}


@pytest.mark.parametrize(
    "message",
    [
        assistant(refusal="I cannot help with that."),
        assistant(content=None, refusal="I cannot help with that."),
        assistant(audio={"id": "audio_1"}),
        assistant(content=None, audio={"id": "audio_1"}, refusal=None),
        assistant(content="Hi", refusal=None, audio=None, tool_calls=None, function_call=None),
        assistant(tool_calls=[CUSTOM_CALL]),
        assistant(function_call={"name": "f", "arguments": "{}"}),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_messages_without_content(sandbox: Sandbox, path: str, message: Any) -> None:
    body = chat()
    body["messages"] = [*body["messages"], message, *body["messages"]]
    assert "user, assistant, user" in choice(ask(sandbox, path, body))["message"]["content"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (assistant(), "content"),
        (assistant(refusal=None), "content"),
        (assistant(refusal=""), "content"),
        (assistant(refusal=5), "refusal"),
        (assistant(audio="audio_1"), "audio"),
        (assistant(audio={}), "audio.id"),
        (assistant(function_call={"name": "f"}), "function_call.arguments"),
        (assistant(tool_calls=[{"id": "c", "type": "magic"}]), "tool_calls[0].type"),
        (
            assistant(tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "a"}}]),
            "tool_calls[0].custom.input",
        ),
        ({"role": "user", "refusal": "no"}, "refusal"),
        ({"role": "user", "audio": {"id": "a"}}, "audio"),
    ],
)
def test_refused_messages(sandbox: Sandbox, message: Any, param: str) -> None:
    response = ask(sandbox, CHAT, {"model": "gpt-4o", "messages": [message]})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == f"messages[0].{param}"
