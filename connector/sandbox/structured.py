"""Example JSON for a schema, for structured outputs and the arguments of tool calls.

It covers the keywords that structured outputs support, and does not validate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

# A schema may refer to itself: limits on depth and items keep the example small.
_DEPTH = 8
_ITEMS = 3


def example_json(schema: Any, reply: str) -> str:
    """Return JSON that matches a schema, with the reply as each string.

    Without a schema it is `{"reply": …}`.
    """
    if not isinstance(schema, dict) or not schema:
        return json.dumps({"reply": reply}, ensure_ascii=False)
    return json.dumps(_example(schema, reply, schema, 0), ensure_ascii=False)


def _example(schema: Any, reply: str, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    for keyword in ("enum", "anyOf", "oneOf", "allOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options:
            first = options[0]
            return first if keyword == "enum" else _example(first, reply, root, depth + 1)
    if isinstance(schema.get("$ref"), str):
        return _example(_resolve(schema["$ref"], root), reply, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    make = _MAKERS.get(kind) if isinstance(kind, str) else None
    return make(schema, reply, root, depth) if make else None


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _object(schema: Mapping[str, Any], reply: str, root: Mapping[str, Any], depth: int) -> Any:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: _example(part, reply, root, depth + 1) for name, part in properties.items()}


def _array(schema: Mapping[str, Any], reply: str, root: Mapping[str, Any], depth: int) -> Any:
    wanted = schema.get("minItems", 1)
    count = min(wanted, _ITEMS) if isinstance(wanted, int) else 1
    return [_example(schema.get("items"), reply, root, depth + 1) for _ in range(count)]


def _number(schema: Mapping[str, Any], reply: str, root: Mapping[str, Any], depth: int) -> Any:
    low = schema.get("minimum", 0)
    return low if isinstance(low, (int, float)) else 0


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], str, Mapping[str, Any], int], Any]] = {
    "object": _object,
    "array": _array,
    "number": _number,
    "integer": _number,
    "boolean": lambda *_: True,
    "string": lambda _schema, reply, *_: reply,
}
