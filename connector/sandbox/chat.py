"""Chat completions: a reply that says what was received, whole or streamed.

What is refused beforehand is in `chat_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import logprobs, tools
from connector.sandbox import messages as conversation
from connector.sandbox.answers import (
    Answer,
    azure_filtered,
    filter_results,
    json_answer,
    prompt_filter_results,
    stream_answer,
)
from connector.sandbox.call import Call
from connector.sandbox.chat_rules import check
from connector.sandbox.structured import json_text
from connector.sandbox.text import CREATED, finish, numbered, quote, split, summary, tokens


def answer(call: Call) -> Answer:
    """Answer a chat completion."""
    check(call)
    if call.filtered and call.azure:
        raise azure_filtered()
    count = call.get("n", 1)
    choices = [_choice(call, index, count) for index in range(count)]
    used = sum(tokens(_written(choice)) for choice in choices)
    if call.get("stream"):
        return stream_answer(_chunks(call, choices, used))
    body = _head(call, "chat.completion")
    body["choices"] = choices
    body["usage"] = _usage(call, used)
    if call.azure:
        body["prompt_filter_results"] = prompt_filter_results()
    return json_answer(body)


def _head(call: Call, kind: str) -> dict[str, Any]:
    head: dict[str, Any] = {
        "id": f"chatcmpl-{call.digest[:29]}",
        "object": kind,
        "created": CREATED,
        "model": call.model,
        "system_fingerprint": "fp_sandbox",
    }
    if not call.azure:
        head["service_tier"] = "default"
    return head


def _usage(call: Call, written: int) -> dict[str, Any]:
    read = sum(tokens(conversation.text_of(message)) for message in call.body["messages"])
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _reply(call: Call) -> str:
    messages = call.body["messages"]
    asked = conversation.last_of(messages, "user")
    guides = (m for m in messages if m["role"] in ("system", "developer"))
    if any("summar" in conversation.text_of(m).lower() for m in guides):
        return summary(asked)
    received = f"{len(messages)} message{'s' if len(messages) > 1 else ''}: "
    received += ", ".join(message["role"] for message in messages[:20])
    received += ", …" if len(messages) > 20 else ""
    temperature = call.get("temperature", "default")
    return (
        f"Sandbox reply to {quote(asked)}"
        f" ({received}; model {call.model}; temperature {temperature})."
    )


def _choice(call: Call, index: int, count: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if not call.azure:
        message["annotations"] = []
    limit = call.get("max_completion_tokens", call.get("max_tokens"))
    if call.filtered:
        message["content"], reason = "", "content_filter"
    elif called := tools.called(call):
        message["tool_calls"] = [
            tools.made(call, tool, index, at) for at, tool in enumerate(called)
        ]
        reason = "tool_calls"
    else:
        text = numbered(_reply(call), index, count)
        wanted = call.get("response_format", {"type": "text"})
        if wanted["type"] != "text":
            text = json_text(wanted.get("json_schema", {}).get("schema"), text)
        message["content"], reason = finish(text, limit, call.get("stop"))
    choice_: dict[str, Any] = {
        "index": index,
        "message": message,
        "logprobs": _logprobs(call, message["content"], 0),
        "finish_reason": reason,
    }
    if call.azure:
        choice_["content_filter_results"] = filter_results()
    return choice_


def _logprobs(call: Call, text: str | None, start: int) -> dict[str, Any] | None:
    if text is None or not call.get("logprobs"):
        return None
    return logprobs.for_chat(split(text), call.get("top_logprobs", 0), start)


def _written(choice_: Mapping[str, Any]) -> str:
    message = choice_["message"]
    return message["content"] or "".join(map(tools.written, message.get("tool_calls", ())))


def _chunks(call: Call, choices: list[dict[str, Any]], used: int) -> list[object]:
    head = _head(call, "chat.completion.chunk")
    chunks: list[object] = []
    if call.azure:
        chunks.append({**head, "choices": [], "prompt_filter_results": prompt_filter_results()})
    for choice_ in choices:
        for part in _parts(call, choice_["message"]):
            part = {"index": choice_["index"], **part, "finish_reason": None}
            chunks.append({**head, "choices": [part]})
        end = {"index": choice_["index"], "delta": {}, "logprobs": None}
        chunks.append({**head, "choices": [{**end, "finish_reason": choice_["finish_reason"]}]})
    if call.get("stream_options", {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": _usage(call, used)})
    return chunks


def _parts(call: Call, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the chunks of a message carry: its role, then a token each, or all its calls."""
    first: dict[str, Any] = {"role": "assistant", "content": ""}
    if "tool_calls" in message:
        calls = [{"index": at, **made} for at, made in enumerate(message["tool_calls"])]
        first |= {"content": None, "tool_calls": calls}
    pieces = enumerate(split(message["content"] or ""))
    return [
        {"delta": first, "logprobs": None},
        *(
            {"delta": {"content": piece}, "logprobs": _logprobs(call, piece, at)}
            for at, piece in pieces
        ),
    ]
