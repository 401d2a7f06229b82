"""Chat completions of the sandbox: replies, tools, JSON, streams, filters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .send import (
    CHAT,
    HELLO,
    Send,
    chat,
    deployment,
    events_of,
    message,
    text_of,
)


def test_chat_says_what_it_received(send: Send) -> None:
    messages = [
        {"role": "system", "content": "You know sport."},
        {"role": "user", "content": "Who won?"},
        {"role": "assistant", "content": "The Dodgers."},
        {"role": "user", "content": "Where was it played?"},
    ]
    answer = send(CHAT, chat(messages=messages)).json()
    text = (
        'Sandbox reply to "Where was it played?" (4 messages: system, user, assistant, user;'
        " model gpt-4o-mini; temperature default)."
    )
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": text,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    used = answer["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == (14, -(-len(text) // 4))
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    assert send(CHAT, chat(messages=messages)).json() == answer
    assert send(CHAT, chat()).json()["id"] != answer["id"]


def test_chat_choices_stop_and_length(send: Send) -> None:
    texts = [c["message"]["content"] for c in send(CHAT, chat(n=3)).json()["choices"]]
    assert len(set(texts)) == 3
    assert texts[2].endswith("[choice 3 of 3]")
    cut = send(CHAT, chat(max_completion_tokens=5)).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 5
    assert text_of(send(CHAT, chat(stop=["", "reply"]))) == "Sandbox "
    assert text_of(send(CHAT, chat(stop=" reply", max_tokens=99))) == "Sandbox"
    long = text_of(send(CHAT, chat(messages=HELLO * 30 + message("x" * 300), temperature=0.5)))
    assert f'"{"x" * 200}…"' in long
    assert "user, …; model" in long
    assert "temperature 0.5" in long


def test_summary(send: Send) -> None:
    text = " ".join(f"word{n}" for n in range(20))
    messages = [{"role": "developer", "content": "Summarize."}, *message(text)]
    expected = f"Summary (sandbox): {' '.join(text.split()[:12])}… [20 words]"
    assert text_of(send(CHAT, chat(messages=messages))) == expected


def test_json_responses(send: Send) -> None:
    ask = message("Answer in JSON")
    plain = text_of(send(CHAT, chat(messages=ask, response_format={"type": "json_object"})))
    assert list(json.loads(plain)) == ["reply"]
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "score": {"type": "number", "minimum": 3},
            "count": {"type": "integer"},
            "good": {"type": ["boolean", "null"]},
            "kind": {"enum": ["a", "b"]},
            "fixed": {"const": 7},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "inner": {"$ref": "#/$defs/inner"},
            "either": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "odd": {"type": "date"},
            "none": {"type": []},
            "lost": {"$ref": "#/$defs/lost/deeper"},
            "free": {"type": "object"},
        },
        "$defs": {"inner": {"properties": {"again": {"$ref": "#/$defs/inner"}}}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    made = json.loads(text_of(send(CHAT, chat(response_format=wanted))))
    assert made["name"].startswith("Sandbox reply")
    assert (made["score"], made["count"], made["good"], made["kind"]) == (3, 0, True, "a")
    assert (made["fixed"], len(made["tags"]), made["either"]) == (7, 2, None)
    assert made["odd"] is made["none"] is made["lost"] is None
    assert made["free"] == {}
    assert made["inner"]["again"]["again"]


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "first"), ({"type": "function", "function": {"name": "second"}}, "second")],
)
def test_tool_calls(send: Send, choice: Any, name: str) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "first", "parameters": parameters}},
        {"type": "function", "function": {"name": "second"}},
    ]
    body = chat(tools=tools, tool_choice=choice)
    answered = send(CHAT, body).json()["choices"][0]
    assert answered["finish_reason"] == "tool_calls"
    assert answered["message"]["content"] is None
    (call,) = answered["message"]["tool_calls"]
    assert call["function"]["name"] == name
    arguments = json.loads(call["function"]["arguments"])
    assert arguments == ({"city": "Hello"} if name == "first" else {})
    (delta,) = [
        c["choices"][0]["delta"]
        for c in events_of(send(CHAT, {**body, "stream": True}))
        if "tool_calls" in c["choices"][0]["delta"]
    ]
    (piece,) = delta["tool_calls"]
    assert (piece["index"], piece["function"]) == (0, call["function"])
    # The message can be sent back, as with the real services.
    back = {"role": "tool", "tool_call_id": call["id"], "content": "12 degrees"}
    conversation = [*HELLO, answered["message"], back]
    assert "user, assistant, tool" in text_of(send(CHAT, chat(messages=conversation)))
    assert text_of(send(CHAT, chat(tools=tools, tool_choice="auto"))).startswith("Sandbox")


@pytest.mark.parametrize("path", [CHAT, deployment("any")])
def test_stream(send: Send, path: str) -> None:
    body = chat(n=2, stream=True, stream_options={"include_usage": True})
    whole = send(path, chat(n=2)).json()
    chunks = events_of(send(path, body))
    texts = ["", ""]
    reasons = []
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
            reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert reasons == ["stop", "stop"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert ("prompt_filter_results" in chunks[0]) is ("openai" in path)


def test_azure_adds_filter_results(send: Send) -> None:
    for path in (deployment("my%20gpt"), "/openai/v1/chat/completions"):
        answer = send(path, chat()).json()
        assert answer["prompt_filter_results"][0]["prompt_index"] == 0
        verdicts = answer["choices"][0]["content_filter_results"]
        assert verdicts["hate"] == {"filtered": False, "severity": "safe"}
    assert send(deployment("my%20gpt"), chat()).json()["model"] == "my gpt"
