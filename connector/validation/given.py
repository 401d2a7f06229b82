"""JSON Schemas that a caller gives: what keeps them from validating anything.

Only schemas that stand alone are accepted: each reference is a JSON pointer into the schema itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from connector.manifest.vocabulary import LISTS, NAMED, SINGLE, subschemas
from connector.validation.entries import TYPES
from connector.validation.keywords import compile_pattern
from connector.validation.messages import Problem
from connector.validation.validator import Validator

_LONGEST_PATTERN = 1000
_SCHEMA = {"$ref": "#/$defs/schema"}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_COUNTS = (
    "minLength maxLength minItems maxItems minContains maxContains minProperties maxProperties"
)
_NUMBERS = "minimum maximum exclusiveMinimum exclusiveMaximum"
_OTHER_REFERENCES = "$id $anchor $dynamicRef $dynamicAnchor"
_TYPE = {"type": "string", "enum": [*TYPES]}


def _each(names: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(names, schema)


_SHAPE = Validator(
    {
        **_SCHEMA,
        "$defs": {
            "schema": {
                "type": ["object", "boolean"],
                "properties": {
                    **_each(SINGLE, _SCHEMA),
                    **_each(LISTS, {"type": "array", "minItems": 1, "items": _SCHEMA}),
                    **_each(NAMED, {"type": "object", "additionalProperties": _SCHEMA}),
                    **_each(_COUNTS.split(), {"type": "integer", "minimum": 0}),
                    **_each(_NUMBERS.split(), {"type": "number"}),
                    **dict.fromkeys(_OTHER_REFERENCES.split(), False),
                    "$ref": {
                        "type": "string",
                        "pattern": "^#(/|$)",
                        "x-form": "a place inside the schema, such as #/$defs/name",
                    },
                    "type": {"anyOf": [_TYPE, {"type": "array", "minItems": 1, "items": _TYPE}]},
                    "enum": {"type": "array", "minItems": 1},
                    "required": _TEXTS,
                    "dependentRequired": {"type": "object", "additionalProperties": _TEXTS},
                    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
                    "uniqueItems": {"type": "boolean"},
                    "pattern": {"type": "string"},
                    "format": {"type": "string"},
                },
            }
        },
    }
)


def problems(schema: Any) -> list[Problem]:
    """Return the problems of a schema, an empty list if values can be validated against it."""
    return _SHAPE.problems(schema) or [*_dangling(schema)]


def is_closed(schema: Any) -> bool:
    """Whether every object of a schema has all properties that the schema names, and no others."""
    return all(
        part.get("additionalProperties") is False
        and set(part.get("required", ())) == set(part.get("properties", ()))
        for _, part in subschemas(schema)
        if "properties" in part or "object" in part.get("type", ())
    )


def _dangling(schema: Any) -> Iterator[Problem]:
    for path, part in subschemas(schema):
        if "$ref" in part and not _leads_somewhere(part["$ref"], schema):
            yield Problem((*path, "$ref"), "leads to no place in this schema")
        for keyword, text in _patterns(part):
            if reason := unusable_pattern(text):
                yield Problem((*path, keyword), f"has a pattern that cannot be used: {reason}")


def _patterns(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "pattern" in part:
        yield "pattern", part["pattern"]
    for text in part.get("patternProperties", ()):
        yield "patternProperties", text


def unusable_pattern(text: str) -> str | None:
    """Return why a regular expression cannot be used, None if it can."""
    if len(text) > _LONGEST_PATTERN:
        return f"it is longer than {_LONGEST_PATTERN} characters"
    try:
        compile_pattern(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None


def _leads_somewhere(reference: str, schema: Any) -> bool:
    found = schema
    for step in unquote(reference.removeprefix("#")).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return False
    return isinstance(found, Mapping | bool)
