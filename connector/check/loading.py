"""Loads the manifest of another connector, after the checks that make it safe to run.

`report` checks what needs the handlers and the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError
from connector.files import resources
from connector.manifest import reader, vocabulary
from connector.manifest.model import Input, Manifest
from connector.manifest.reader import SchemaFiles
from connector.manifest.schemas import bundle, file_of, object_schema
from connector.problems import error_of, pointer, problem, shown_name
from connector.providers.api_key import lacks
from connector.validation.form import Form
from connector.validation.given import unusable_pattern
from connector.validation.suggestions import suggester
from connector.validation.validator import Validator

Rows = Iterator[dict[str, str]]


def load(path: Path) -> Manifest:
    """Return the manifest at `path`, with `schemas/` in the same folder.

    Raises ConnectorError `invalid_manifest`, whose details give the place and the line of every
    problem.
    """
    lines: dict[str, int] = {}
    spec, rows = read_checked(path, lines)
    if spec is None or rows:
        rows = [_with_line(row, lines) for row in rows]
        raise error_of("invalid_manifest", rows, hint=f"Run: connector check {path}")
    return spec


def read_checked(path: Path, lines: dict[str, int]) -> tuple[Manifest | None, list[dict[str, str]]]:
    """Return the manifest at `path` and a row for each problem of its shape or its schemas.

    The manifest is None if its shape is wrong. `lines` is filled with the line of each pointer.
    """
    raw = reader.read(path, lines)
    rows = list(_shape_problems(raw))
    if rows:
        return None, rows
    spec = reader.parse(raw, SchemaFiles(path.parent / "schemas"))
    try:
        return spec, list(_content_problems(spec))
    except RecursionError:  # schema files contain each other, or the caller is deeply nested itself
        raise ConnectorError("invalid_manifest", "The schemas are nested too deeply.") from None


def line_of(pointer: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a pointer, or of what encloses it; None if no line is known."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer)


def _with_line(row: Mapping[str, str], lines: Mapping[str, int]) -> dict[str, str]:
    line = line_of(row["path"], lines)
    return {**row, "message": f"{row['message']} (line {line})"} if line else dict(row)


def _shape_problems(raw: Any) -> Rows:
    schema = reader.read(resources.root() / "schemas" / "manifest.schema.json")
    for found in Validator(schema).problems(raw):
        yield problem(pointer(*found.path), found.message)
    if isinstance(raw, dict):
        for name in ("connections", "dataSources", "actions"):
            yield from _duplicates(raw.get(name), f"/{name}")


def _duplicates(items: Any, at: str, first: int = 0) -> Rows:
    seen = set()
    for index, item in enumerate(items if isinstance(items, list) else (), first):
        key = item.get("key") if isinstance(item, dict) else None
        if isinstance(key, str) and key in seen:
            yield problem(f"{at}/{index}/key", f"the key {shown_name(key)} is duplicated")
        seen.add(str(key))


def _content_problems(spec: Manifest) -> Rows:
    schemas = _Schemas()
    for index, raw in enumerate(spec.raw["connections"]):
        connection, at = spec.connections[raw["key"]], f"/connections/{index}/fields"
        yield from _duplicates(raw["fields"], at)
        if connection.handler is None:
            reason = lacks([item.key for item in connection.fields])
            if reason is not None:
                yield problem(at, reason)
        yield from _inputs(connection.fields, spec, at, schemas)
    for index, raw in enumerate(spec.raw["actions"]):
        action, at = spec.actions[raw["key"]], f"/actions/{index}"
        yield from _duplicates([{"key": "connection"}, *raw["inputs"]], f"{at}/inputs", -1)
        yield from _inputs(action.inputs, spec, f"{at}/inputs", schemas)
        if action.output is not None:
            make = partial(bundle, action.output, spec.schemas)
            yield from schemas.problems(f"{at}/output", make, action.output)


def _inputs(inputs: Sequence[Input], spec: Manifest, at: str, schemas: _Schemas) -> Rows:
    for index, item in enumerate(inputs):
        make = partial(object_schema, item.label, (item,), spec.schemas)
        rows = list(schemas.problems(f"{at}/{index}/schema", make))
        yield from rows
        if not rows:
            try:
                Form(item.label, "", (item,), spec.schemas)
            except ConnectorError as error:
                yield problem(f"{at}/{index}/schema", error.message)


class _Schemas:
    """Checks the schemas of one manifest, each file once."""

    def __init__(self) -> None:
        self._checked: set[str] = set()
        self._suggest = suggester()

    def problems(
        self, at: str, make: Callable[[], dict[str, Any]], file: str | None = None
    ) -> Rows:
        """Yield the problems of the schema that `make` returns.

        It is the schema of the file `file`; if None, that of an object with one input, whose own
        schema is at the pointer `at`.
        """
        import jsonschema

        try:
            schema = make()
            definitions = {
                name: definition
                for name, definition in schema.pop("$defs", {}).items()
                if name not in self._checked
            }
            schema["$defs"] = definitions
            rows = [*self._unknown_keywords(schema, at, file), *_unusable_patterns(schema, at)]
            yield from rows
            if not rows:  # jsonschema compiles patterns too, and some errors escape it
                jsonschema.Draft202012Validator.check_schema(schema)
                self._checked.update(definitions)
        except ConnectorError as error:
            yield problem(at, error.message)
        except jsonschema.SchemaError as error:
            yield problem(at, f"is not a JSON Schema: {error.message[:200]}")

    def _unknown_keywords(self, schema: Any, at: str, file: str | None) -> Rows:
        """Yield unknown keywords, which check nothing and are mostly misspelled."""
        for path in vocabulary.unknown_keywords(schema):
            known = self._suggest(str(path[-1]), vocabulary.KEYWORDS)
            message = f"is not a JSON Schema keyword{known}"
            if path[0] == "$defs":
                place = pointer(*path[2:])
                yield problem(at, f"in schemas/{file_of(str(path[1]))}, {place} {message}")
            elif file is not None:
                yield problem(at, f"in schemas/{file}, {pointer(*path)} {message}")
            else:  # below `properties` and the input's key
                yield problem(at + pointer(*path[2:]), message)


def _unusable_patterns(schema: Any, at: str) -> Rows:
    for text in vocabulary.patterns(schema):
        reason = unusable_pattern(text)
        if reason is not None:
            yield problem(at, f"has a pattern that cannot be used: {reason}")
