"""Makes an action's inputs from a row: columns with an input's name, and templates."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from connector.text import strict_json

_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_. -]*)\}")
"""`{column}`. A JSON object never looks like one, because its brace is followed by a quotation mark
or another brace. `{{` and `}}` stand for single braces beside one."""


class MappingError(Exception):
    """A template names a column that the rows do not have."""


class Mapper:
    """Makes inputs from rows. `shared` are the inputs of -i, whose texts may name columns.

    A JSON text is parsed first, so that a column's value needs no escapes. A text that is only one
    `{column}` gets the value itself, of whatever type.
    """

    def __init__(self, keys: Collection[str], shared: Mapping[str, Any]) -> None:
        self._keys = [key for key in keys if key not in shared]
        self._shared = {key: _parsed(value) for key, value in shared.items()}

    def unused(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that are no input and that no template names."""
        named = {name for value in self._shared.values() for name in _names(value)}
        return [name for name in columns if name not in self._keys and name not in named]

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of a row. Raises MappingError."""
        found = {key: row[key] for key in self._keys if key in row}
        for key, value in self._shared.items():
            found[key] = _filled(key, value, row)
        return found


def _parsed(value: Any) -> Any:
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return strict_json.loads(value)
    except ValueError:
        return value  # a text that begins with a brace; validation says if it should be JSON


def _names(value: Any) -> set[str]:
    if isinstance(value, str):
        return {match[1] for match in _PLACE.finditer(value) if match[1]}
    items = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        return {name for item in items for name in _names(item)}
    return set()


def _filled(key: str, value: Any, row: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_filled(key, item, row) for item in value]
    if isinstance(value, Mapping):
        return {name: _filled(key, item, row) for name, item in value.items()}
    if not isinstance(value, str):
        return value
    match = _PLACE.fullmatch(value)
    if match and match[1]:
        return _column(key, match[1], row)

    def replace(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0][0]
        found = _column(key, match[1], row)
        return found if isinstance(found, str) else strict_json.dumps(found).decode()

    return _PLACE.sub(replace, value)


def _column(key: str, name: str, row: Mapping[str, Any]) -> Any:
    if name not in row:
        known = ", ".join(list(row)[:20]) or "none"
        raise MappingError(f"-i {key}: the rows have no column {name}; their columns are {known}")
    return row[name]
