"""A manifest from elsewhere, proved fit to run before it is used.

What needs the handlers, and the examples, is in `check`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError, pointer, problem, quoted, refused
from connector.files import resources
from connector.manifest import reader
from connector.manifest.model import Input, Manifest
from connector.manifest.reader import SchemaFiles
from connector.manifest.schemas import bundle, object_schema, patterns
from connector.providers.api_key import lacks
from connector.validation.form import Form
from connector.validation.keywords import compile_pattern
from connector.validation.validator import Validator

_LONGEST_PATTERN = 1000

Rows = Iterator[dict[str, str]]


def load(path: Path) -> Manifest:
    """Return the manifest at `path`; its `schemas/` lies beside it.

    Raises ConnectorError `invalid_manifest`; its details name the place and the line of every
    problem.
    """
    lines: dict[str, int] = {}
    spec, rows = prove(path, lines)
    if spec is None or rows:
        rows = [_with_line(row, lines) for row in rows]
        raise refused("invalid_manifest", rows, hint=f"Run: connector check {path}")
    return spec


def prove(path: Path, lines: dict[str, int]) -> tuple[Manifest | None, list[dict[str, str]]]:
    """Return the manifest at `path`, None where it has not even the shape of one, and a row for
    each problem of its shape or its schemas. `lines` is filled with the line of each pointer."""
    raw = reader.read(path, lines)
    rows = list(_shape(raw))
    if rows:
        return None, rows
    spec = reader.parse(raw, SchemaFiles(path.parent / "schemas"))
    try:
        return spec, list(_meaning(spec))
    except RecursionError:  # schema files that nest in each other, or a caller that is deep itself
        raise ConnectorError("invalid_manifest", "The schemas are nested too deeply.") from None


def line_of(pointer: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a pointer, or of what it lies in; None where no line is known."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer)


def _with_line(row: Mapping[str, str], lines: Mapping[str, int]) -> dict[str, str]:
    line = line_of(row["path"], lines)
    return {**row, "message": f"{row['message']} (line {line})"} if line else dict(row)


def _shape(raw: Any) -> Rows:
    schema = reader.read(resources.root() / "schemas" / "manifest.schema.json")
    for found in Validator(schema).problems(raw):
        yield problem(pointer(*found.path), found.message)
    if isinstance(raw, dict):
        for name in ("connections", "dataSources", "actions"):
            yield from _twice(raw.get(name), f"/{name}")


def _twice(items: Any, at: str, first: int = 0) -> Rows:
    seen = set()
    for index, item in enumerate(items if isinstance(items, list) else (), first):
        key = item.get("key") if isinstance(item, dict) else None
        if isinstance(key, str) and key in seen:
            yield problem(f"{at}/{index}/key", f"the key {quoted(key)} stands twice")
        seen.add(str(key))


def _meaning(spec: Manifest) -> Rows:
    sound: set[str] = set()  # the shared schemas that are proved already
    for index, raw in enumerate(spec.raw["connections"]):
        fields, at = spec.connections[raw["key"]].fields, f"/connections/{index}/fields"
        yield from _twice(raw["fields"], at)
        reason = lacks([item.key for item in fields])
        if reason is not None:
            yield problem(at, reason)
        yield from _inputs(fields, spec, at, sound)
    for index, raw in enumerate(spec.raw["actions"]):
        action, at = spec.actions[raw["key"]], f"/actions/{index}"
        yield from _twice([{"key": "connection"}, *raw["inputs"]], f"{at}/inputs", -1)
        yield from _inputs(action.inputs, spec, f"{at}/inputs", sound)
        if action.output is not None:
            yield from _sound(f"{at}/output", partial(bundle, action.output, spec.schemas), sound)


def _inputs(inputs: Sequence[Input], spec: Manifest, at: str, sound: set[str]) -> Rows:
    for index, item in enumerate(inputs):
        make = partial(object_schema, item.label, (item,), spec.schemas)
        rows = list(_sound(f"{at}/{index}/schema", make, sound))
        yield from rows
        if not rows:
            try:
                Form(item.label, "", (item,), spec.schemas)
            except ConnectorError as error:
                yield problem(f"{at}/{index}/schema", error.message)


def _sound(at: str, make: Callable[[], dict[str, Any]], sound: set[str]) -> Rows:
    """Yield what is wrong with the schema that `make` returns; `sound` are the definitions that
    need no further look, those of a sound schema are added."""
    import jsonschema

    try:
        schema = make()
        definitions = {k: v for k, v in schema.pop("$defs", {}).items() if k not in sound}
        schema["$defs"] = definitions
        unusable = [reason for text in patterns(schema) if (reason := _unusable(text)) is not None]
        for reason in unusable:
            yield problem(at, f"has a pattern that cannot be used: {reason}")
        if not unusable:  # jsonschema compiles patterns too, and lets some errors pass
            jsonschema.Draft202012Validator.check_schema(schema)
            sound.update(definitions)
    except ConnectorError as error:
        yield problem(at, error.message)
    except jsonschema.SchemaError as error:
        yield problem(at, f"is not a JSON Schema: {error.message[:200]}")


def _unusable(regex: str) -> str | None:
    if len(regex) > _LONGEST_PATTERN:
        return f"it is longer than {_LONGEST_PATTERN} characters"
    try:
        compile_pattern(regex)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None
