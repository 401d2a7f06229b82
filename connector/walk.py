"""Every place where a value breaks a schema, for the keywords that `verdict` knows.

The import of jsonschema takes longer than all the rest of a refused call: it is left for schemas
that say more. The tests prove that both find the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from connector.verdict import ANNOTATIONS, is_integer, is_number, pattern

Path = tuple[str | int, ...]


class Unknown(Exception):
    """The schema says something here that only jsonschema understands."""


class Fault(NamedTuple):
    """One broken keyword, None for the schema `false`, with the names of jsonschema's errors."""

    validator: str | None
    validator_value: Any
    instance: Any
    schema: Mapping[str, Any]
    absolute_path: Path


def faults(
    schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], path: Path = ()
) -> Iterator[Fault]:
    """Yield what is wrong with `value`; references are looked up in the `$defs` of `root`.

    Raises Unknown where `value` meets a keyword that is not in the tables.
    """
    if isinstance(schema, bool):
        if not schema:
            yield Fault(None, None, value, {}, path)
        return
    if not isinstance(schema, Mapping):
        raise Unknown
    for keyword, limit in schema.items():
        if keyword in _BREAKS:
            if _BREAKS[keyword](limit, value):
                yield Fault(keyword, limit, value, schema, path)
        elif keyword in _NESTS:
            yield from _NESTS[keyword](schema, value, root, path)
        elif keyword not in ANNOTATIONS:
            raise Unknown


_Schema = Mapping[str, Any]


def _reference(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    name = schema["$ref"].removeprefix("#/$defs/")
    if name == schema["$ref"] or name not in root.get("$defs", {}):
        raise Unknown
    yield from faults(root["$defs"][name], value, root, path)


def _any_of(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    if all(any(True for _ in faults(option, value, root)) for option in schema["anyOf"]):
        yield Fault("anyOf", schema["anyOf"], value, schema, path)


def _all_of(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    for part in schema["allOf"]:
        yield from faults(part, value, root, path)


def _if(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    branch = "else" if any(True for _ in faults(schema["if"], value, root)) else "then"
    yield from faults(schema.get(branch, True), value, root, path)


def _items(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    if isinstance(value, list):
        if schema["items"] is False:
            raise Unknown  # jsonschema has a sentence of its own for this
        for index, item in enumerate(value):
            yield from faults(schema["items"], item, root, (*path, index))


def _properties(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    if isinstance(value, dict):
        for key, fragment in schema["properties"].items():
            if key in value:
                yield from faults(fragment, value[key], root, (*path, key))


def _others(schema: _Schema, value: Any, root: _Schema, path: Path) -> Iterator[Fault]:
    limit, known = schema["additionalProperties"], schema.get("properties", {})
    if not isinstance(value, dict):
        return
    others = [key for key in value if key not in known]
    if limit is False and others:
        yield Fault("additionalProperties", limit, value, schema, path)
    elif isinstance(limit, Mapping):
        for key in others:
            yield from faults(limit, value[key], root, (*path, key))


_NESTS: Mapping[str, Callable[[_Schema, Any, _Schema, Path], Iterator[Fault]]] = {
    "$ref": _reference,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
    **dict.fromkeys(("then", "else"), lambda schema, value, root, path: iter(())),  # see `if`
    "items": _items,
    "properties": _properties,
    "additionalProperties": _others,
}


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _no_type(types: Any, value: Any) -> bool:
    return not any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types))


def _not_among(choices: Any, value: Any) -> bool:
    if not all(isinstance(choice, str) for choice in choices):
        raise Unknown  # 1 is true for Python, but not for JSON
    return value not in choices


# keyword: whether a value breaks it. A keyword says nothing of values of other types.
_BREAKS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": _no_type,
    "enum": _not_among,
    "minimum": lambda limit, value: is_number(value) and value < limit,
    "maximum": lambda limit, value: is_number(value) and value > limit,
    "exclusiveMinimum": lambda limit, value: is_number(value) and value <= limit,
    "exclusiveMaximum": lambda limit, value: is_number(value) and value >= limit,
    "minLength": lambda limit, value: isinstance(value, str) and len(value) < limit,
    "maxLength": lambda limit, value: isinstance(value, str) and len(value) > limit,
    "minItems": lambda limit, value: isinstance(value, list) and len(value) < limit,
    "maxItems": lambda limit, value: isinstance(value, list) and len(value) > limit,
    "pattern": lambda text, value: isinstance(value, str) and not pattern(text).search(value),
    "required": lambda keys, value: isinstance(value, dict) and any(k not in value for k in keys),
}
