"""Chat messages: the rules of the services for them, and the text in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.checks import (
    Check,
    array,
    by_type,
    choice,
    fields,
    record,
    string,
    tagged,
)
from connector.sandbox.responses import invalid, missing, unknown_parameter

ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_KEYS = {
    "assistant": {
        "role", "content", "name", "refusal", "audio", "annotations", "tool_calls", "function_call",
    },
    "tool": {"role", "content", "tool_call_id"},
}  # fmt: skip
_COMMON_KEYS = {"role", "content", "name"}

_text_part = tagged(text=string())
_PARTS_BY_ROLE = {
    "user": tagged(
        text=string(),
        image_url=fields({"url": string(1)}),
        input_audio=fields({"data": string(1), "format": choice("wav", "mp3")}),
        file=record,
    ),
    "assistant": tagged(text=string(), refusal=string()),
}


def _tool_call(param: str, value: Any) -> None:
    fields({"id": string(1)})(param, value)
    tagged(
        function=fields({"name": string(1), "arguments": string()}),
        custom=fields({"name": string(1), "input": string()}),
    )(param, value)


# What an assistant message may have besides its content, or instead of it.
_OUTPUTS: Mapping[str, Check] = {
    "tool_calls": array(_tool_call, low=1),
    "function_call": fields({"name": string(1), "arguments": string()}),
    "refusal": string(),
    "audio": fields({"id": string(1)}),
}


def check(param: str, value: Any) -> None:
    """Check a whole conversation."""
    array(_message, low=1)(param, value)
    called: set[str] = set()
    for index, message in enumerate(value):
        called.update(call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool" and message["tool_call_id"] not in called:
            text = "messages with role 'tool' must be a response to a preceding message with"
            raise invalid(
                f"{param}[{index}].role", f"Invalid parameter: {text} 'tool_calls'.", None
            )


def _message(param: str, value: Any) -> None:
    record(param, value)
    if "role" not in value:
        raise missing(f"{param}.role")
    choice(*ROLES)(f"{param}.role", value["role"])
    role = value["role"]
    for name in value:
        if name not in _KEYS.get(role, _COMMON_KEYS):
            raise unknown_parameter(f"{param}.{name[:64]}")
    for name in {"tool": ("tool_call_id",), "function": ("name",)}.get(role, ()):
        if name not in value:
            raise missing(f"{param}.{name}")
    for name in ("name", "tool_call_id"):
        if value.get(name) is not None:
            string(1)(f"{param}.{name}", value[name])
    for name, test in _OUTPUTS.items():
        if value.get(name) is not None:
            test(f"{param}.{name}", value[name])
    _content(f"{param}.content", value, role)


def _content(param: str, message: Mapping[str, Any], role: str) -> None:
    content = message.get("content")
    if content is None and any(message.get(name) for name in _OUTPUTS):
        return
    if "content" not in message:
        raise missing(param)
    part = _PARTS_BY_ROLE.get(role, _text_part)
    by_type("a string or an array of parts", text=string(), items=array(part, 1))(param, content)


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, valid or not; the empty string if it has none."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def last_of(messages: Sequence[Mapping[str, Any]], role: str) -> str:
    """Return the text of the last message of a role, or of the last message if there is none."""
    of_role = [message for message in messages if message.get("role") == role]
    return text_of((of_role or messages)[-1])
