"""Chat messages: what the services refuse about them, and the text in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.answers import invalid, missing, unknown_parameter
from connector.sandbox.checks import Check, array, by_type, choice, fields, record, string

ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_KEYS = {
    "assistant": {
        "role", "content", "name", "refusal", "audio", "annotations", "tool_calls", "function_call",
    },
    "tool": {"role", "content", "tool_call_id"},
}  # fmt: skip
_COMMON_KEYS = {"role", "content", "name"}

_PARTS: Mapping[str, tuple[str, Check]] = {
    "text": ("text", string()),
    "refusal": ("refusal", string()),
    "image_url": ("image_url", fields({"url": string(1)})),
    "input_audio": ("input_audio", fields({"data": string(1), "format": choice("wav", "mp3")})),
    "file": ("file", record),
}
_PARTS_BY_ROLE = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
}

_tool_calls = array(
    fields(
        {
            "id": string(1),
            "type": choice("function"),
            "function": fields({"name": string(1), "arguments": string()}),
        }
    ),
    low=1,
)


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
    if value.get("tool_calls") is not None:
        _tool_calls(f"{param}.tool_calls", value["tool_calls"])
    _content(f"{param}.content", value, role)


def _content(param: str, message: Mapping[str, Any], role: str) -> None:
    content = message.get("content")
    if content is None and (message.get("tool_calls") or message.get("function_call")):
        return
    if "content" not in message:
        raise missing(param)

    def part(name: str, value: Any) -> None:
        fields({"type": choice(*_PARTS_BY_ROLE.get(role, ("text",)))})(name, value)
        inner, test = _PARTS[value["type"]]
        fields({inner: test})(name, value)

    by_type("a string or an array of parts", text=string(), items=array(part, 1))(param, content)


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a checked or unchecked message, the empty string where it has none."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def last_of(messages: Sequence[Mapping[str, Any]], role: str) -> str:
    """Return the text of the last message of a role, of the last message where there is none."""
    of_role = [message for message in messages if message.get("role") == role]
    return text_of((of_role or messages)[-1])
