"""Tools that a model may call: they are checked before they are sent, and so are their calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from connector.problems import pointer, problem
from connector.text import strict_json
from connector.validation import given
from connector.validation.validator import Validator

_WORDS = ("none", "auto", "required")
_MOST_PROBLEMS = 50
"""Problems that one call lists."""

Rows = list[dict[str, Any]]


def problems(inputs: Mapping[str, Any], bad: Collection[str]) -> Rows:
    """Return what is wrong with `tools` and `toolChoice`; `bad` names the invalid inputs."""
    tools = inputs.get("tools", ())
    found = []
    names: set[str] = set()
    for index, tool in enumerate(tools):
        at = f"/inputs/tools/{index}/{tool['type']}"
        if _name(tool) in names:
            found.append(problem(f"{at}/name", "is the name of an earlier tool", "Tools"))
        names.add(_name(tool))
        for row in given.problems(_parameters(tool)):
            path = f"{at}/parameters{pointer(*row.path)}"
            found.append(problem(path, row.message, "Tools"))
    choice = inputs.get("toolChoice")
    if choice is not None and not tools and "tools" not in bad:
        message = "needs Tools to choose from"
        found.append(problem("/inputs/toolChoice", message, "Tool Choice"))
    elif isinstance(choice, str) and tools and choice not in (*_WORDS, *names):
        message = f"must be one of {', '.join(_WORDS)}, or the name of a tool in Tools"
        found.append(problem("/inputs/toolChoice", message, "Tool Choice"))
    return found


def choice(inputs: Mapping[str, Any]) -> Any:
    """Return the value of `tool_choice`, in which an object names a tool."""
    wanted = inputs["toolChoice"]
    if not isinstance(wanted, str) or wanted in _WORDS:
        return wanted
    kind = next(tool["type"] for tool in inputs["tools"] if _name(tool) == wanted)
    return {"type": kind, kind: {"name": wanted}}


def calls(choices: Sequence[Mapping[str, Any]], tools: Any) -> Rows:
    """Return the calls in the choices of a response, with parsed and validated arguments.

    Each has `choice` (its index), `id`, `name`, `arguments` (the text of a custom tool, null if
    they are not JSON), `valid` and, if that is false, `problems`. `valid` is null for a tool whose
    schema is unknown.
    """
    known = {_name(tool): tool for tool in tools if _is_tool(tool)} if tools else {}
    return [
        {"choice": item.get("index", 0), "id": call.get("id"), **_read(call, known)}
        for item in choices
        for call in _calls(item)
    ]


def _calls(choice: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = choice["message"].get("tool_calls")
    for call in found if isinstance(found, list) else ():
        if isinstance(call, dict) and isinstance(call.get(call.get("type", "function")), dict):
            yield call


def _read(call: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    kind = call.get("type", "function")
    content = call[kind]
    name = content.get("name")
    tool = known.get(name) if isinstance(name, str) else None
    found: dict[str, Any] = {"name": name, "arguments": content.get("input"), "valid": None}
    rows: Rows = []
    if kind == "function":
        try:
            found["arguments"] = strict_json.loads(content.get("arguments") or "{}")
        except (ValueError, TypeError) as error:
            found["arguments"] = None
            rows = [problem("", f"is not JSON: {error}")]
        else:
            rows = _misfits(found["arguments"], tool)
    if known and tool is None:
        rows = [problem("", "calls a tool that was not offered"), *rows]
    if rows:
        return {**found, "valid": False, "problems": rows[:_MOST_PROBLEMS]}
    return {**found, "valid": True if tool is not None and _is_usable(tool) else None}


def _misfits(arguments: Any, tool: Mapping[str, Any] | None) -> Rows:
    if tool is None or not _is_usable(tool):
        return []
    validator = Validator(_parameters(tool))
    return [problem(pointer(*row.path), row.message) for row in validator.problems(arguments)]


def _is_usable(tool: Mapping[str, Any]) -> bool:
    """Whether arguments can be validated: a schema in Extra Parameters was not checked before."""
    return not given.problems(_parameters(tool))


def _is_tool(tool: Any) -> bool:
    """Whether a tool, perhaps one of Extra Parameters, has the shape of the input's."""
    return isinstance(tool, dict) and isinstance(_content(tool).get("name"), str)


def _content(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    content = tool.get(tool["type"]) if isinstance(tool.get("type"), str) else None
    return content if isinstance(content, dict) else {}


def _name(tool: Mapping[str, Any]) -> str:
    return str(_content(tool)["name"])


def _parameters(tool: Mapping[str, Any]) -> Any:
    return _content(tool).get("parameters", {"type": "object"})
