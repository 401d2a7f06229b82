"""The keywords of JSON Schema 2020-12, and how schemas contain other schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DATA = frozenset("const default enum examples".split())
"""Keywords whose value is data, in which nothing is a keyword."""

NAMED = frozenset("$defs dependentSchemas patternProperties properties".split())
"""Keywords whose value maps names, which may look like keywords, to schemas."""

LISTS = frozenset("allOf anyOf oneOf prefixItems".split())
SINGLE = frozenset(
    "additionalProperties contains contentSchema else if items not propertyNames then "
    "unevaluatedItems unevaluatedProperties".split()
)
_OTHERS = frozenset(
    "$anchor $comment $dynamicAnchor $dynamicRef $id $ref $schema $vocabulary contentEncoding "
    "contentMediaType dependentRequired deprecated description exclusiveMaximum exclusiveMinimum "
    "format maxContains maxItems maxLength maxProperties maximum minContains minItems minLength "
    "minProperties minimum multipleOf pattern readOnly required title type uniqueItems "
    "writeOnly".split()
)
OWN = frozenset("x-advanced x-comments x-control x-data-source x-form x-order".split())
"""Our own keywords. `x-form` describes the texts that match `pattern`, for messages. The others
say how a form shows an input."""

ANNOTATIONS = OWN | frozenset(
    "$comment default deprecated description examples format readOnly title writeOnly".split()
)
"""Keywords that check nothing, wherever they stand."""

KEYWORDS = DATA | NAMED | LISTS | SINGLE | _OTHERS | OWN

Path = tuple[str | int, ...]


def subschemas(schema: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield `schema` and every schema inside it, each with the keys and indexes that lead there."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for keyword, value in schema.items():
        if keyword in SINGLE:
            yield from subschemas(value, (*path, keyword))
        elif keyword in NAMED and isinstance(value, Mapping):
            for name, item in value.items():
                yield from subschemas(item, (*path, keyword, name))
        elif keyword in LISTS and isinstance(value, list):
            for index, item in enumerate(value):
                yield from subschemas(item, (*path, keyword, index))


def unknown_keywords(schema: Any) -> Iterator[Path]:
    """Yield the path of each keyword in `schema` that JSON Schema does not have."""
    for path, part in subschemas(schema):
        for keyword in part:
            if keyword not in KEYWORDS:
                yield *path, keyword


def patterns(schema: Any) -> Iterator[str]:
    """Yield every regular expression in `schema`."""
    for _, part in subschemas(schema):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        if isinstance(part.get("patternProperties"), Mapping):
            yield from part["patternProperties"]
