"""Writes JSON Schema 2020-12 in the words of Swagger 2.0, which has far fewer.

What Swagger cannot express, such as alternatives and conditions, is left out: the connector still
checks it in each call. So the result allows all that the original allows, but for one thing: of two
ways to write pairs of key and value, it has the list only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

REFERENCES = "#/components/schemas/"

_SAME = (
    "title",
    "description",
    "default",
    "enum",
    "format",
    "pattern",
    "maximum",
    "maxItems",
    "maxLength",
    "minimum",
    "minItems",
    "minLength",
)


def older(schema: Any) -> dict[str, Any]:
    """Return `schema` in Swagger 2.0; references to components lead to definitions."""
    if not isinstance(schema, Mapping):
        return {}
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(REFERENCES, "#/definitions/")}
    choice = _only_choice(schema)
    if choice is not None:
        return {**older(choice), **_texts(schema), "x-nullable": True}
    return {
        **{key: schema[key] for key in _SAME if key in schema},
        **_type(schema),
        **_rewritten(schema),
        **_properties(schema),
        **({"required": schema["required"]} if schema.get("required") else {}),
    }


def _only_choice(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the alternative to `null`, if that is all that the schema offers."""
    choices = [c for c in schema.get("anyOf", ()) if c != {"type": "null"}]
    only = len(choices) == 1 < len(schema["anyOf"]) and "$ref" not in choices[0]
    return choices[0] if only else None


def _texts(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("title", "description") if key in schema}


def _type(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only type, an array where that is one of two ways to write a list of pairs."""
    found = schema.get("type", [])
    declared = [found] if isinstance(found, str) else found
    types = [name for name in declared if name != "null"]
    if types == ["array", "object"]:
        types = ["array"]
    if len(types) != 1:
        return {}
    kind: dict[str, Any] = {"type": types[0]}
    if "null" in declared:
        kind["x-nullable"] = True
    if types == ["array"]:
        kind["items"] = older(schema.get("items"))
    if types == ["object"] and "additionalProperties" in schema:
        extra = schema["additionalProperties"]
        kind["additionalProperties"] = extra if isinstance(extra, bool) else older(extra)
    return kind


def _rewritten(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords that Swagger writes in another way."""
    found: dict[str, Any] = {}
    if "const" in schema:
        found["enum"] = [schema["const"]]
    for name in ("minimum", "maximum"):
        limit = schema.get(f"exclusive{name.capitalize()}")
        if limit is not None:
            found.update({name: limit, f"exclusive{name.capitalize()}": True})
    if schema.get("examples"):
        found["example"] = schema["examples"][0]
    return found


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties, those of all conditions included: Swagger knows no conditions."""
    found: dict[str, Any] = {}
    for key, value in _declared(schema):
        known = found.setdefault(key, older(value))
        if known != older(value):  # it depends: the texts, and what holds in each case
            always = {k: v for k, v in known.items() if older(value).get(k) == v}
            found[key] = {**_texts(known), **always}
    return {"properties": found} if found else {}


def _declared(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in schema.get("properties", {}).items():
        if value is not False:
            yield key, value
    for part in schema.get("allOf", ()):
        for branch in (part, part.get("then"), part.get("else")):
            if isinstance(branch, Mapping):
                yield from _declared(branch)


def each_property(schema: Mapping[str, Any], change: Callable[[str, dict[str, Any]], None]) -> None:
    """Call `change` with the name and the schema of each property in a schema of Swagger 2.0."""
    for key, value in schema.get("properties", {}).items():
        change(key, value)
        each_property(value, change)
    for part in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, Mapping):
            each_property(part, change)
