"""Replaces the references in a schema by what they refer to, so that each part stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.manifest.vocabulary import ANNOTATIONS, DATA, NAMED

_LARGEST = 2_000
"""How many objects and arrays a definition may consist of: definitions that use others twice double
in size at each step. The message of a chat has 120."""


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` without references to its `$defs`.

    Those of definitions that lead back to themselves, or are very large, stay. The result shares
    parts with `schema` and within itself: change none of them.
    """
    inliner = _Inliner(schema.get("$defs", {}))
    result: dict[str, Any] = inliner.schema({k: v for k, v in schema.items() if k != "$defs"})
    if inliner.kept:
        result["$defs"] = {name: inliner.done[name] for name in inliner.kept}
    return result


class _Inliner:
    """`done` has the definitions without references, `kept` those that are still referred to."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._sizes: dict[str, int] = {}
        self._size = 0
        self.done: dict[str, Any] = {}
        self.kept: dict[str, None] = {}

    def schema(self, schema: Any) -> Any:
        self._size += 1
        if isinstance(schema, list):
            return [self.schema(item) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        result = {keyword: self._value(keyword, value) for keyword, value in schema.items()}
        return self._replaced(result) if "$ref" in result else result

    def _value(self, keyword: str, value: Any) -> Any:
        if keyword in DATA:
            return value
        if keyword in NAMED and isinstance(value, Mapping):
            return {name: self.schema(item) for name, item in value.items()}
        return self.schema(value)

    def _replaced(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema["$ref"].rpartition("/")[2]
        if not self._complete(name) or self._sizes[name] > _LARGEST:
            self.kept[name] = None
            return schema
        self._size += self._sizes[name]
        target = self.done[name]
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        if isinstance(target, Mapping) and ANNOTATIONS.issuperset(beside):
            return {**target, **beside}
        return {**beside, "allOf": [*beside.get("allOf", ()), target]}

    def _complete(self, name: str) -> bool:
        """Whether the definition is done, or can be now: it cannot inside itself."""
        if name not in self._sizes:
            before, self._size = self._size, 0
            self._sizes[name] = _LARGEST + 1
            self.done[name] = self.schema(self._definitions[name])
            self._sizes[name], self._size = self._size, before
        return name in self.done
