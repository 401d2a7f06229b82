"""`if`, `then` and `else` of a JSON Schema, as far as the verdict knows them: an `if` that asks for
one of some texts as the value of a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BRANCHES = frozenset(("if", "then", "else"))
_PLAIN = frozenset(("type", "enum", "title", "description"))
"""All that a schema may say of a key whose text chooses a part."""


def parts(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas that hold beside this one: those of `allOf`, and its own condition."""
    own = {key: schema[key] for key in _BRANCHES if key in schema}
    return [*schema.get("allOf", ()), *([own] if "if" in own else ())]


def asked(part: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return the key and the texts that the `if` of a part asks for, None where it has no `if`, or
    one that asks for more, or says more itself."""
    if not isinstance(part, Mapping) or not _BRANCHES.issuperset(part) or "if" not in part:
        return None
    condition: Any = part["if"]
    try:
        ((key, fragment),) = condition["properties"].items()
        texts = tuple(fragment["enum"])
    except (KeyError, TypeError, ValueError, AttributeError):  # whatever else a manifest has there
        return None
    whole = {"required": [key], "properties": {key: {"enum": [*texts]}}}
    if condition != whole or not all(isinstance(text, str) for text in texts):
        return None
    return key, texts


def selector(schema: Mapping[str, Any], parts: list[Any]) -> str | None:
    """Return the required key of which each text chooses one of `parts`, None where none does.

    An `else` under all of its texts may stand beside them: it is for values that are refused by
    what the schema says of the key itself.
    """
    found = [(part, *key_and_texts) for part in parts if (key_and_texts := asked(part))]
    if not found or len(found) < len(parts) or "additionalProperties" in schema:
        return None
    key = found[0][1]
    fragment = schema.get("properties", {}).get(key)
    if not isinstance(fragment, Mapping) or not _PLAIN.issuperset(fragment):
        return None
    texts = [text for part, _, chosen in found if "then" in part for text in chosen]
    every = fragment.get("enum", ())
    fits = (
        all(name == key for _, name, _ in found)
        and key in schema.get("required", ())
        and fragment.get("type") == "string"
        and len({*texts}) == len(texts) == len(every)
        and all(text in every for text in texts)
        and all({*chosen} == {*texts} for part, _, chosen in found if "else" in part)
    )
    return key if fits else None


def without(key: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `schema` with nothing said of a required key."""
    required = [name for name in schema["required"] if name != key]
    properties = {name: f for name, f in schema["properties"].items() if name != key}
    return {**schema, "required": required, "properties": properties}
