"""Tools: which of them a request makes the model call, and what it calls them with.

A model calls a tool of its own accord where the last message, a user's, says
`sandbox:call-tool NAME`; more marks make parallel calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox import messages as conversation
from connector.sandbox.answers import Refusal, invalid
from connector.sandbox.call import Call
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
from connector.sandbox.structured import json_text
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


def called(call: Call) -> list[Tool]:
    """Return the tools that the answer calls, none where it is a text."""
    tools: list[Tool] = call.get("tools", [])
    wanted = call.get("tool_choice", "auto")
    if isinstance(wanted, dict):
        if wanted["type"] != "allowed_tools":
            return [_find(wanted, tools)]
        allowed = wanted["allowed_tools"]
        tools = [_find(reference, tools) for reference in allowed["tools"]]
        wanted = allowed["mode"]
    found = [] if wanted == "none" else _asked_for(call.body["messages"], tools)
    if wanted == "required":
        found = found or tools[:1]
    return found[:1] if call.get("parallel_tool_calls") is False else found


def _find(reference: Tool, tools: Sequence[Tool]) -> Tool:
    for tool in tools:
        if tool["type"] == reference["type"] and _name(tool) == _name(reference):
            return tool
    raise _stranger(reference)


def _name(tool: Tool) -> str:
    return str(tool[tool["type"]]["name"])


def _stranger(reference: Tool) -> Refusal:
    named = f"the {reference['type']} '{_name(reference)[:64]}'"
    return invalid(
        "tool_choice", f"Invalid value for 'tool_choice': {named} is not in 'tools'.", None
    )


def _asked_for(messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> list[Tool]:
    # Only the last message, and a user's: a conversation that goes on with results would call on.
    if messages[-1]["role"] != "user":
        return []
    by_name = {_name(tool): tool for tool in tools}
    names = _MARK.findall(conversation.text_of(messages[-1]))
    return [by_name[name] for name in names if name in by_name]


def made(call: Call, tool: Tool, choice_: int, at: int) -> dict[str, Any]:
    """Return the call of a tool, the one at place `at` in the choice of that index.

    A function gets arguments that fit its parameters, made of what the user said; a custom tool
    gets that as it is, whatever its grammar.
    """
    asked = conversation.last_of(call.body["messages"], "user")
    asked = _MARK.sub("", asked).strip() or asked
    kind = tool["type"]
    if kind == "function":
        arguments = json_text(tool[kind].get("parameters", {"type": "object"}), asked)
        content = {"name": _name(tool), "arguments": arguments}
    else:
        content = {"name": _name(tool), "input": asked}
    unique = digest(call.digest, str(choice_), str(at))[:24]
    return {"id": f"call_{unique}", "type": kind, kind: content}


def written(tool_call: Mapping[str, Any]) -> str:
    """Return what the model wrote to make a call."""
    content = tool_call[tool_call["type"]]
    return str(content.get("arguments", content.get("input")))
