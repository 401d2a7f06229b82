"""Tools: which of them the model calls, and with which arguments.

If the last message is from the user and contains `sandbox:call-tool NAME`, the model calls that
tool; several marks make parallel calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox import messages as conversation
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
from connector.sandbox.request import Request
from connector.sandbox.responses import ErrorResponse, invalid
from connector.sandbox.structured import example_json
from connector.sandbox.text import digest

Tool = Mapping[str, Any]

_MARK = re.compile(r"sandbox:call-tool[\s:\"'`]+([A-Za-z0-9_-]+)[\"'`]?", re.ASCII)

function = fields({"name": string(1, 64)}, {"description": string(), "parameters": record})
_grammar = fields({"definition": string(1), "syntax": choice("lark", "regex")})
_named = {"function": fields({"name": string(1)}), "custom": fields({"name": string(1)})}


def _format(param: str, value: Any) -> None:
    fields({"type": choice("text", "grammar")})(param, value)
    if value["type"] == "grammar":
        fields({"grammar": _grammar})(param, value)


TOOLS: Check = array(
    tagged(
        function=function,
        custom=fields({"name": string(1, 64)}, {"description": string(), "format": _format}),
    ),
    1,
    128,
)
TOOL_CHOICE: Check = by_type(
    "a string or an object",
    text=choice("none", "auto", "required"),
    mapping=tagged(
        **_named,
        allowed_tools=fields(
            {"mode": choice("auto", "required"), "tools": array(tagged(**_named), 1, 128)}
        ),
    ),
)


def choose(request: Request) -> list[Tool]:
    """Return the tools that the model calls, none if the reply is text."""
    tools: list[Tool] = request.get("tools", [])
    wanted = request.get("tool_choice", "auto")
    if isinstance(wanted, dict):
        if wanted["type"] != "allowed_tools":
            return [_find(wanted, tools)]
        allowed = wanted["allowed_tools"]
        tools = [_find(reference, tools) for reference in allowed["tools"]]
        wanted = allowed["mode"]
    found = [] if wanted == "none" else _marked(request.body["messages"], tools)
    if wanted == "required":
        found = found or tools[:1]
    return found[:1] if request.get("parallel_tool_calls") is False else found


def _find(reference: Tool, tools: Sequence[Tool]) -> Tool:
    for tool in tools:
        if tool["type"] == reference["type"] and _name(tool) == _name(reference):
            return tool
    raise _not_offered(reference)


def _name(tool: Tool) -> str:
    return str(tool[tool["type"]]["name"])


def _not_offered(reference: Tool) -> ErrorResponse:
    named = f"the {reference['type']} '{_name(reference)[:64]}'"
    return invalid(
        "tool_choice", f"Invalid value for 'tool_choice': {named} is not in 'tools'.", None
    )


def _marked(messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> list[Tool]:
    # Only a last message from the user counts: otherwise a conversation that continues with tool
    # results would call the tool again.
    if messages[-1]["role"] != "user":
        return []
    by_name = {_name(tool): tool for tool in tools}
    names = _MARK.findall(conversation.text_of(messages[-1]))
    return [by_name[name] for name in names if name in by_name]


def tool_call(request: Request, tool: Tool, choice_index: int, at: int) -> dict[str, Any]:
    """Return a call of a tool, at position `at` of a choice.

    A function gets arguments that match its parameters and repeat the user's message; a custom tool
    gets the message itself, whatever its grammar.
    """
    asked = conversation.last_of(request.body["messages"], "user")
    asked = _MARK.sub("", asked).strip() or asked
    kind = tool["type"]
    if kind == "function":
        arguments = example_json(tool[kind].get("parameters", {"type": "object"}), asked)
        content = {"name": _name(tool), "arguments": arguments}
    else:
        content = {"name": _name(tool), "input": asked}
    unique = digest(request.digest, str(choice_index), str(at))[:24]
    return {"id": f"call_{unique}", "type": kind, kind: content}


def call_text(call: Mapping[str, Any]) -> str:
    """Return the text that the model generated for a tool call."""
    content = call[call["type"]]
    return str(content.get("arguments", content.get("input")))
