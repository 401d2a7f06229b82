"""Chat completions: a reply that describes what was received, whole or streamed.

`chat_rules` checks the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox import logprobs, tools
from connector.sandbox import messages as conversation
from connector.sandbox.chat_rules import check
from connector.sandbox.request import Request
from connector.sandbox.responses import (
    Response,
    azure_filtered,
    filter_results,
    json_response,
    prompt_filter_results,
    stream_response,
)
from connector.sandbox.structured import example_json
from connector.sandbox.text import CREATED, number_choice, quote, split, summary, tokens, truncate


def respond(request: Request) -> Response:
    """Respond to a chat completion request."""
    check(request)
    if request.filtered and request.azure:
        raise azure_filtered()
    count = request.get("n", 1)
    choices = [_choice(request, index, count) for index in range(count)]
    used = sum(tokens(_output_text(choice)) for choice in choices)
    if request.get("stream"):
        return stream_response(_chunks(request, choices, used))
    body = _head(request, "chat.completion")
    body["choices"] = choices
    body["usage"] = _usage(request, used)
    if request.azure:
        body["prompt_filter_results"] = prompt_filter_results()
    return json_response(body)


def _head(request: Request, kind: str) -> dict[str, Any]:
    head: dict[str, Any] = {
        "id": f"chatcmpl-{request.digest[:29]}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": "fp_sandbox",
    }
    if not request.azure:
        head["service_tier"] = "default"
    return head


def _usage(request: Request, written: int) -> dict[str, Any]:
    read = sum(tokens(conversation.text_of(message)) for message in request.body["messages"])
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


def _reply(request: Request) -> str:
    messages = request.body["messages"]
    asked = conversation.last_of(messages, "user")
    guides = (m for m in messages if m["role"] in ("system", "developer"))
    if any("summar" in conversation.text_of(m).lower() for m in guides):
        return summary(asked)
    received = f"{len(messages)} message{'s' if len(messages) > 1 else ''}: "
    received += ", ".join(message["role"] for message in messages[:20])
    received += ", …" if len(messages) > 20 else ""
    temperature = request.get("temperature", "default")
    return (
        f"Sandbox reply to {quote(asked)}"
        f" ({received}; model {request.model}; temperature {temperature})."
    )


def _choice(request: Request, index: int, count: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if not request.azure:
        message["annotations"] = []
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    if request.filtered:
        message["content"], reason = "", "content_filter"
    elif chosen := tools.choose(request):
        message["tool_calls"] = [
            tools.tool_call(request, tool, index, at) for at, tool in enumerate(chosen)
        ]
        reason = "tool_calls"
    else:
        text = number_choice(_reply(request), index, count)
        wanted = request.get("response_format", {"type": "text"})
        if wanted["type"] != "text":
            text = example_json(wanted.get("json_schema", {}).get("schema"), text)
        message["content"], reason = truncate(text, limit, request.get("stop"))
    choice: dict[str, Any] = {
        "index": index,
        "message": message,
        "logprobs": _logprobs(request, message["content"], 0),
        "finish_reason": reason,
    }
    if request.azure:
        choice["content_filter_results"] = filter_results()
    return choice


def _logprobs(request: Request, text: str | None, start: int) -> dict[str, Any] | None:
    if text is None or not request.get("logprobs"):
        return None
    return logprobs.for_chat(split(text), request.get("top_logprobs", 0), start)


def _output_text(choice: Mapping[str, Any]) -> str:
    message = choice["message"]
    return message["content"] or "".join(map(tools.call_text, message.get("tool_calls", ())))


def _chunks(request: Request, choices: list[dict[str, Any]], used: int) -> list[object]:
    head = _head(request, "chat.completion.chunk")
    chunks: list[object] = []
    if request.azure:
        chunks.append({**head, "choices": [], "prompt_filter_results": prompt_filter_results()})
    for choice in choices:
        for part in _parts(request, choice["message"]):
            part = {"index": choice["index"], **part, "finish_reason": None}
            chunks.append({**head, "choices": [part]})
        end = {**choice, "delta": {}, "logprobs": None}
        del end["message"]
        chunks.append({**head, "choices": [end]})
    if request.get("stream_options", {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": _usage(request, used)})
    return chunks


def _parts(request: Request, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Split a message for its chunks: first the role with all tool calls, then one token each."""
    first: dict[str, Any] = {**message, "content": ""}
    if "tool_calls" in message:
        calls = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
        first |= {"content": None, "tool_calls": calls}
    pieces = enumerate(split(message["content"] or ""))
    return [
        {"delta": first, "logprobs": None},
        *(
            {"delta": {"content": piece}, "logprobs": _logprobs(request, piece, at)}
            for at, piece in pieces
        ),
    ]
