"""Derives JSON Schemas from the manifest: of an action's inputs, a connection's fields, an output.

Each is self-contained: the schema files that it refers to become its `$defs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.errors import ConnectorError
from connector.manifest.model import ABSENT, Input
from connector.manifest.vocabulary import DATA, NAMED

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schemas = Callable[[str], Mapping[str, Any]]
"""Returns a schema file by its path below `schemas/`."""

_OTHER_REFERENCES = (
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$anchor",
)
"""Keywords that refer to schemas in other ways than by a file in `schemas/`."""

_SUFFIX = ".schema.json"
_FILE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.schema\.json\Z")


def object_schema(title: str, inputs: Sequence[Input], schemas: Schemas) -> dict[str, Any]:
    """Return the schema of the object that holds `inputs`.

    An input is required if the manifest says so and gives no default. Labels, comments and
    defaults become annotations.
    """
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for item in inputs:
        fragment = {
            "title": item.label,
            "description": item.comments,
            **_local(item.schema, schemas, definitions),
        }
        if item.default is not ABSENT:
            fragment["default"] = item.default
        if item.secret:
            fragment["writeOnly"] = True
        properties[item.key] = fragment
    result: dict[str, Any] = {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": properties,
        "required": [i.key for i in inputs if i.required and i.default is ABSENT],
        "additionalProperties": False,
    }
    if definitions:
        result["$defs"] = definitions
    return result


def bundle(name: str, schemas: Schemas) -> dict[str, Any]:
    """Return the schema file `name` together with everything that it refers to."""
    definitions: dict[str, Any] = {}
    result = {"$schema": DIALECT, **_local(schemas(name), schemas, definitions)}
    if definitions:
        result["$defs"] = definitions
    return result


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return what `schema`, a part of `root`, refers to, or `schema` itself.

    Raises ConnectorError `invalid_manifest` if the references form a cycle.
    """
    followed = set()
    while isinstance(schema, Mapping) and "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in followed:
            raise ConnectorError("invalid_manifest", f"the schema {name!r} refers only to itself")
        followed.add(name)
        schema = root["$defs"][name]
    return schema


def file_of(definition: str) -> str:
    """Return the schema file that became the definition of this name."""
    return definition.replace(".", "/") + _SUFFIX


def _local(schema: Any, schemas: Schemas, definitions: dict[str, Any]) -> Any:
    """Return `schema` with references to files turned into references to `definitions`."""
    if isinstance(schema, list):
        return [_local(item, schemas, definitions) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            result[keyword] = _definition(value, schemas, definitions)
        elif keyword in _OTHER_REFERENCES:
            raise ConnectorError("invalid_manifest", f"{keyword} is not supported: use $ref")
        elif keyword in DATA:
            result[keyword] = value
        elif keyword in NAMED and isinstance(value, Mapping):
            result[keyword] = {k: _local(v, schemas, definitions) for k, v in value.items()}
        elif keyword not in ("$schema", "$id"):  # the root schema has its own
            result[keyword] = _local(value, schemas, definitions)
    return result


def _definition(reference: Any, schemas: Schemas, definitions: dict[str, Any]) -> str:
    if not isinstance(reference, str) or not _FILE.match(reference):
        raise ConnectorError(
            "invalid_manifest", f"the reference {reference!r} is not a file of schemas/"
        )
    name = reference.removesuffix(_SUFFIX).replace("/", ".")
    if name not in definitions:
        definitions[name] = {}  # first, so that a schema may refer to itself
        definitions[name] = _local(schemas(reference), schemas, definitions)
    return f"#/$defs/{name}"
