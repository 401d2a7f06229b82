"""Bodies and parameters that the sandbox accepts or rejects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .send import (
    CHAT,
    HELLO,
    IMAGES,
    LEGACY,
    OPENAI,
    Send,
    chat,
    deployment,
    message,
)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"text"',
        b'{"model": "gpt-4o", "model": "gpt-4o"}',
        b'{"temperature": NaN}',
        b'{"temperature": 1e999}',
        b'{"temperature": -Infinity}',
        b"[" * 100_000,
        b'{"n": ' + b"1" * 5000 + b"}",
    ],
)
def test_bodies_that_are_not_json_objects(send: Send, raw: bytes) -> None:
    headers = {**OPENAI, "Content-Type": "application/json"}
    response = send(CHAT, method="POST", data=raw, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_content_type_is_required(send: Send) -> None:
    raw = json.dumps(chat()).encode()
    assert send(CHAT, method="POST", data=raw).status_code == 400
    typed = {**OPENAI, "Content-Type": "Application/JSON; charset=utf-8"}
    assert send(CHAT, method="POST", data=raw, headers=typed).status_code == 200
    lone = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\\ud800"}]}'
    assert send(CHAT, method="POST", data=lone, headers=typed).status_code == 200


FUNCTION = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 2, "top_p": 0, "n": 1, "stop": None, "user": "me", "seed": 4},
        {"temperature": None, "max_tokens": 5, "logprobs": True, "top_logprobs": 2},
        {"max_completion_tokens": 5, "presence_penalty": -2, "frequency_penalty": 2.0},
        {"messages": message([{"type": "text", "text": "a"}, PICTURE, SOUND])},
        {"messages": [*message("a", "system"), *message("b", "developer")]},
        {"messages": message(None, "assistant", tool_calls=[CALL])},
        {"messages": message([{"type": "refusal", "refusal": "no"}], "assistant")},
        {"messages": message("x", "function", name="f")},
        {"model": "thinker", "temperature": 1, "top_p": 1.0, "reasoning_effort": "low"},
        {"model": "o3", "max_completion_tokens": 50, "logprobs": False},
        {"model": "gpt-4o-oldserver", "max_tokens": 50},
        {"response_format": {"type": "text"}, "logit_bias": {}, "store": False},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
    ],
)
def test_accepted_chat(send: Send, body: Any) -> None:
    response = send(CHAT, chat(**body))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"model": ""}, "model", "string_below_min_length"),
        ({"messages": None}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "array_below_min_length"),
        ({"messages": "Hello"}, "messages", "invalid_type"),
        ({"messages": ["Hello"]}, "messages[0]", "invalid_type"),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": message("a", "pirate")}, "messages[0].role", "invalid_value"),
        ({"messages": message("a", 7)}, "messages[0].role", "invalid_type"),  # type: ignore[arg-type]
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": message(None)}, "messages[0].content", "invalid_type"),
        ({"messages": message(5)}, "messages[0].content", "invalid_type"),
        ({"messages": message([])}, "messages[0].content", "array_below_min_length"),
        ({"messages": message([{}])}, "messages[0].content[0].type", "missing_required_parameter"),
        (
            {"messages": message([{"type": "text"}])},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            {"messages": message([PICTURE], "system")},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        ({"messages": message("a", mood="good")}, "messages[0].mood", "unknown_parameter"),
        ({"messages": message("a", name=4)}, "messages[0].name", "invalid_type"),
        (
            {"messages": message("a", "tool")},
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        ({"messages": message("a", "tool", tool_call_id="x")}, "messages[0].role", None),
        ({"messages": message("a", "function")}, "messages[0].name", "missing_required_parameter"),
        (
            {"messages": message(None, "assistant", tool_calls=[{}])},
            "messages[0].tool_calls[0].id",
            "missing_required_parameter",
        ),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "1"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": 1.0}, "n", "invalid_type"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"user": {}}, "user", "invalid_type"),
        ({"colour": 1}, None, None),
        ({"a": 1, "b": 2}, None, None),
        (
            {"max_tokens": 5, "max_completion_tokens": 5},
            "max_tokens",
            "invalid_parameter_combination",
        ),
        ({"model": "thinker", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ({"model": "o3", "temperature": 0.5}, "temperature", "unsupported_value"),
        ({"model": "gpt-5", "top_p": 0.5}, "top_p", "unsupported_value"),
        ({"model": "o1", "logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"model": "gpt-4o-oldserver", "max_completion_tokens": 5}, None, None),
        ({"reasoning_effort": "low"}, None, None),
        ({"tool_choice": "required"}, "tool_choice", None),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            None,
        ),
        ({"tools": []}, "tools", "array_below_min_length"),
        ({"stream_options": {}}, "stream_options", None),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "messages", None),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        ({"messages": message("x" * 512_001)}, "messages", "context_length_exceeded"),
    ],
)
def test_refused_chat(send: Send, body: Any, param: str | None, code: str | None) -> None:
    response = send(CHAT, chat(**body))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"


def test_messages_that_clients_look_for(send: Send) -> None:
    def error(**body: Any) -> str:
        return str(send(CHAT, chat(**body)).json()["error"]["message"])

    assert error(model="o3", max_tokens=1) == (
        "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead."
    )
    assert error(model="gpt-4-oldserver", max_completion_tokens=1) == (
        "Unrecognized request argument supplied: max_completion_tokens"
    )
    assert error(colour=1) == "Unrecognized request argument supplied: colour"


def test_nulls_and_model_on_azure(send: Send) -> None:
    assert send(deployment("any"), chat(stop=None)).json()["error"]["param"] == "stop"
    assert send(deployment("any"), {"messages": HELLO, "data_sources": []}).status_code == 200
    v1 = send("/openai/v1/chat/completions", {"messages": HELLO, "stop": None})
    assert v1.json()["error"]["param"] == "model"
    effort = send(deployment("any"), chat(reasoning_effort="low"))
    assert effort.status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [["a"]]}, "prompt[0][0]"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"messages": HELLO}, None),
        ({"prompt": "x" * 4 * 4082}, "prompt"),
        ({"max_tokens": 4097}, "prompt"),
    ],
)
def test_refused_legacy(send: Send, body: Any, param: str | None) -> None:
    response = send(LEGACY, {"model": "legacy-instruct", "prompt": "x", **body})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("model", "body", "param", "code"),
    [
        ("gpt-image-2", {"prompt": ""}, "prompt", "string_below_min_length"),
        ("gpt-image-2", {"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ("dall-e-3", {"prompt": "x" * 4001}, "prompt", "string_above_max_length"),
        ("dall-e-2", {"prompt": "x" * 1001}, "prompt", "string_above_max_length"),
        ("gpt-image-2", {"n": 11}, "n", "integer_above_max_value"),
        ("dall-e-3", {"n": 2}, "n", None),
        ("single-image", {"n": 2}, "n", None),
        ("gpt-image-2", {"size": "large"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "1000x1000"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "1024x16"}, "size", "invalid_value"),
        ("gpt-image-2", {"size": "8192x8192"}, "size", "invalid_value"),
        ("gpt-image-1-mini", {"size": "1792x1024"}, "size", "invalid_value"),
        ("dall-e-3", {"size": "256x256"}, "size", "invalid_value"),
        ("dall-e-3", {"size": "auto"}, "size", "invalid_value"),
        ("dall-e-3", {"quality": "low"}, "quality", "invalid_value"),
        ("dall-e-3", {"background": "auto"}, "background", "unknown_parameter"),
        ("gpt-image-2", {"response_format": "url"}, "response_format", "unknown_parameter"),
        ("gpt-image-2", {"output_format": "webp"}, "output_format", "unsupported_value"),
        ("gpt-image-2", {"stream": True}, "stream", "unsupported_value"),
    ],
)
def test_refused_images(send: Send, model: str, body: Any, param: str, code: str | None) -> None:
    response = send(IMAGES, {"model": model, "prompt": "x", **body})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)


def test_one_image_message(send: Send) -> None:
    error = send(IMAGES, {"model": "dall-e-3", "prompt": "x", "n": 2}).json()["error"]
    assert error["message"] == "You must provide n=1 for this model."
