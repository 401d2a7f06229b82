"""Recognizes forms of `if` and `anyOf` for which fast code exists.

An `if` of this form asks whether the value of one key is one of some strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BRANCHES = frozenset(("if", "then", "else"))
_SIMPLE = frozenset(("type", "enum", "title", "description"))
"""The keywords allowed in the schema of a key that selects a part."""


def parts(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas that apply besides this one: those of `allOf`, and its own condition."""
    own = {key: schema[key] for key in _BRANCHES if key in schema}
    return [*schema.get("allOf", ()), *([own] if "if" in own else ())]


def tested(part: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return the key that the `if` of `part` tests and the strings that satisfy it.

    None if `part` has no `if`, an `if` of another form, or other keywords too.
    """
    if not isinstance(part, Mapping) or not _BRANCHES.issuperset(part) or "if" not in part:
        return None
    condition: Any = part["if"]
    try:
        ((key, fragment),) = condition["properties"].items()
        texts = tuple(fragment["enum"])
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ):  # a manifest may contain anything here
        return None
    whole = {"required": [key], "properties": {key: {"enum": [*texts]}}}
    if condition != whole or not all(isinstance(text, str) for text in texts):
        return None
    return key, texts


def selector(schema: Mapping[str, Any]) -> str | None:
    """Return the required key of an object whose value selects exactly one of the parts.

    None if there is no such key. A part with `else` whose `if` lists all the values may be
    among them: it applies only to values that the schema of the key refuses.
    """
    of_schema = parts(schema)
    found = [(part, *key_and_texts) for part in of_schema if (key_and_texts := tested(part))]
    if not found or len(found) < len(of_schema) or "additionalProperties" in schema:
        return None
    key = found[0][1]
    fragment = schema.get("properties", {}).get(key)
    if not isinstance(fragment, Mapping) or not _SIMPLE.issuperset(fragment):
        return None
    texts = [text for part, _, chosen in found if "then" in part for text in chosen]
    every = fragment.get("enum", ())
    fits = (
        schema.get("type") in ("object", ["object"])
        and all(name == key for _, name, _ in found)
        and key in schema.get("required", ())
        and fragment.get("type") == "string"
        and len({*texts}) == len(texts) == len(every)
        and all(text in every for text in texts)
        and all({*chosen} == {*texts} for part, _, chosen in found if "else" in part)
    )
    return key if fits else None


def without(key: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `schema` without what it says about the required key `key`."""
    required = [name for name in schema["required"] if name != key]
    properties = {name: f for name, f in schema["properties"].items() if name != key}
    return {**schema, "required": required, "properties": properties}


def only_requires(schema: Any) -> bool:
    """Whether `schema` says nothing but that some keys are required."""
    return isinstance(schema, Mapping) and len(schema) == 1 and bool(schema.get("required"))
