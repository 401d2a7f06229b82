"""The Responses API: a reply that describes what was received, at once or in the background.

An ID holds all that its response says, so that nothing has to be kept.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.checks import (
    Check,
    anything,
    array,
    boolean,
    by_type,
    check_body,
    choice,
    fields,
    integer,
    number,
    record,
    string,
)
from connector.sandbox.messages import last_of, text_of
from connector.sandbox.request import Request
from connector.sandbox.responses import (
    ErrorResponse,
    Response,
    azure_filtered,
    invalid,
    json_response,
    openai_error,
)
from connector.sandbox.structured import example_json
from connector.sandbox.text import CREATED, digest, quote, split, tokens, truncate

_PREFIX = "resp_"
_NOTHING_YET: Mapping[str, Any] = {"output": [], "usage": None}

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "input": by_type("a string or an array", text=string(), items=array(record, 1)),
    "instructions": string(),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "max_output_tokens": integer(16),
    "tools": array(fields({"type": string(1)})),
    "tool_choice": anything,
    "parallel_tool_calls": boolean,
    "previous_response_id": string(1),
    "background": boolean,
    "stream": boolean,
    "stream_options": record,
    "store": boolean,
    "metadata": record,
    "text": record,
    "reasoning": record,
    "include": array(string(1)),
    "truncation": choice("auto", "disabled"),
    "service_tier": string(),
    "top_logprobs": integer(0, 20),
    "max_tool_calls": integer(1),
    "conversation": anything,
    "prompt_cache_key": string(),
    "safety_identifier": string(0, 64),
    "user": string(),
}


def respond(request: Request) -> Response:
    """Respond to a request for a response."""
    check_body(request.body, PARAMETERS, "input")
    if request.filtered and request.azure:
        raise azure_filtered()
    if "previous_response_id" in request.body:
        _kept(request.body["previous_response_id"], "previous_response_id")
    in_background = bool(request.get("background"))
    if in_background and request.get("store") is False:
        message = "Background mode requires 'store' to be true."
        raise invalid("background", message, None)
    body = _body(request)
    name = _PREFIX + _packed(body)
    body = {**body, "id": name}
    if request.get("stream"):
        return _streamed(body)
    if in_background:
        body |= {**_NOTHING_YET, "status": "queued"}
    return json_response(body)


def _streamed(body: Mapping[str, Any]) -> Response:
    """Return the events of a response."""
    begun = {**body, **_NOTHING_YET, "status": "in_progress"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for at, item in enumerate(body["output"]):
        place = {"output_index": at, "item_id": item["id"]}
        empty = {**item, "status": "in_progress", "content": []}
        events.append({"type": "response.output_item.added", **place, "item": empty})
        for part_at, part in enumerate(item["content"]):
            within = {**place, "content_index": part_at}
            events += (
                {"type": "response.output_text.delta", **within, "delta": piece}
                for piece in split(part["text"])
            )
            events.append({"type": "response.output_text.done", **within, "text": part["text"]})
        events.append({"type": "response.output_item.done", **place, "item": item})
    events.append({"type": f"response.{body['status']}", "response": body})
    lines = (
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': at})}\n\n"
        for at, event in enumerate(events)
    )
    return Response(200, content_type="text/event-stream", events=[line.encode() for line in lines])


def found(name: str) -> Response:
    """Return the response with an ID, which is complete by now."""
    return json_response({**_kept(name), "id": name})


def cancelled(name: str) -> Response:
    """Return the response with an ID after it was cancelled."""
    body = _kept(name)
    if not body["background"]:
        raise invalid(None, "Cannot cancel a synchronous response.", None)
    return json_response({**body, "id": name, "status": "cancelled", **_NOTHING_YET})


def _packed(body: Mapping[str, Any]) -> str:
    data = zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _kept(name: str, param: str | None = None) -> dict[str, Any]:
    data = name.removeprefix(_PREFIX)
    try:
        unpacked = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
        kept: dict[str, Any] = json.loads(zlib.decompressobj().decompress(unpacked, 1 << 20))
    except (ValueError, zlib.error):
        raise _not_found(name, param) from None
    return kept


def _not_found(name: str, param: str | None) -> ErrorResponse:
    what = "Previous response" if param else "Response"
    message = f"{what} with id '{name[:128]}' not found."
    status, code = (400, "previous_response_not_found") if param else (404, None)
    return openai_error(status, message, param=param or "id", code=code)


def _body(request: Request) -> dict[str, Any]:
    given = request.body["input"]
    items: Sequence[Mapping[str, Any]] = (
        [{"role": "user", "content": given}] if isinstance(given, str) else given
    )
    asked = last_of(items, "user")
    text, reason = _reply(request, asked)
    read = tokens(request.get("instructions", "")) + sum(tokens(text_of(item)) for item in items)
    written = tokens(text)
    message = {
        "id": f"msg_{digest(request.digest, 'message')[:48]}",
        "type": "message",
        "status": "incomplete" if reason else "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }
    return {
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if reason else "completed",
        "background": bool(request.get("background")),
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "metadata": request.get("metadata", {}),
        "model": request.model,
        "output": [message],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": request.get("previous_response_id"),
        "temperature": request.get("temperature", 1.0),
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools", []),
        "top_p": request.get("top_p", 1.0),
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
    }


def _reply(request: Request, asked: str) -> tuple[str, str | None]:
    """Return the text, and why it is incomplete if it is."""
    if request.filtered:
        return "", "content_filter"
    text = f"Sandbox response to {quote(asked)} (model {request.model})."
    wanted = request.get("text", {}).get("format", {})
    if wanted.get("type") in ("json_object", "json_schema"):
        text = example_json(wanted.get("schema"), text)
    text, reason = truncate(text, request.get("max_output_tokens"), None)
    return text, "max_output_tokens" if reason == "length" else None
