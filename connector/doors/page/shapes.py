"""Types and limits of schemas in words, and the shapes that several inputs share, each once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.connector import Connector
from connector.doors.page.text import code, escaped, json_block, table
from connector.manifest.schemas import bundle, object_schema

Schema = Mapping[str, Any]

_LINK_OR_CODE = re.compile(r"(`[^`]*`|\[[^\]]*\]\([^)]*\))")


class Shapes:
    """The schema files that inputs and outputs refer to, by the name of their definition."""

    def __init__(self, connector: Connector) -> None:
        spec = connector.manifest
        found: dict[str, Schema] = {}
        for action in spec.actions.values():
            found |= object_schema("", action.inputs, spec.schemas).get("$defs", {})
            if action.output is not None:
                found |= bundle(action.output, spec.schemas).get("$defs", {})
        self._all = found
        self._phrases = {
            shape["title"].lower(): name
            for name, shape in found.items()
            if re.search(r"\W", shape.get("title", ""))  # one word may mean anything
        }
        names = "|".join(map(re.escape, sorted(self._phrases, key=len, reverse=True)))
        self._mention = re.compile(rf"\b({names or '(?!)'})(?=s?\b)", re.IGNORECASE)

    def prose(self, text: str, within: str | None = None) -> str:
        """Return Markdown `text` for a table cell, with a link where it mentions a shape.

        `within` names the shape whose own section the text is in.
        """

        def linked(found: re.Match[str]) -> str:
            name = self._phrases[found[0].lower()]
            return found[0] if name == within else f"[{found[0]}](#{_anchor(name)})"

        parts = _LINK_OR_CODE.split(text)
        parts[::2] = [self._mention.sub(linked, part) for part in parts[::2]]
        return escaped("".join(parts))

    def type_of(self, schema: Any) -> str:
        """Return the type of a value in words, empty where it may be anything."""
        if not isinstance(schema, Mapping):
            return ""
        if "$ref" in schema:
            return self._link(definition_of(schema["$ref"]))
        types = schema.get("type", ())
        names = [types] if isinstance(types, str) else types
        return _either([self._named(name, schema) for name in names])

    def _named(self, name: str, schema: Schema) -> str:
        items = self.type_of(schema.get("items")) if name == "array" else ""
        return f"array of {items}" if items else name

    def _link(self, name: str) -> str:
        return f"[{self._title(name)}](#{_anchor(name)})"

    def _about(self, schema: Schema) -> str:
        """Return the description of a value, or of the shape that it has."""
        shape = self._all.get(definition_of(schema.get("$ref", "")), {})
        about: str = schema.get("description", shape.get("description", ""))
        return about

    def _title(self, name: str) -> str:
        title: str = self._all.get(name, {}).get("title", name)
        return title

    def section(self) -> Iterator[str]:
        """Yield the section that shows each shape."""
        if not self._all:
            return
        yield from ("## Shapes", "", "Values that several inputs and outputs share.", "")
        for name, shape in self._all.items():
            yield from (f"### {self._title(name)} {{#{_anchor(name)}}}", "")
            if "description" in shape:
                yield from (self.prose(shape["description"], name), "")
            rows = list(self._rows(shape.get("items", shape), "", name))
            if rows:
                head = ("Property", "Comments", "Type", "Required", "Values")
                yield from (*table(head, rows), "")
            for example in shape.get("examples", ()):
                yield from json_block(example)

    def _rows(self, schema: Schema, before: str, within: str) -> Iterator[tuple[str, ...]]:
        required = schema.get("required", ())
        for key, part in _properties(schema):
            yield (
                code(before + key),
                self.prose(self._about(part), within),
                self.type_of(part),
                "yes" if key in required else "no",
                limits(part),
            )
            yield from self._rows(part, f"{before}{key}.", within)


def definition_of(reference: str) -> str:
    """Return the name of the definition that a reference leads to, in a file or in a bundle."""
    return reference.removeprefix("#/$defs/").removesuffix(".schema.json").replace("/", ".")


def _anchor(name: str) -> str:
    return f"shape-{name.lower().replace('.', '-')}"


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _properties(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield what an object may hold: its own properties, and those of its conditions."""
    found = {**schema.get("properties", {})}
    for part in schema.get("allOf", ()):
        for key, fragment in part.get("then", part).get("properties", {}).items():
            if fragment is not False:  # excluded under this condition
                found.setdefault(key, fragment)
    yield from found.items()


def limits(schema: Schema) -> str:
    """Return the values that a schema allows, in words; empty where its type says all."""
    parts = []
    if "enum" in schema:
        parts.append(", ".join(code(str(choice)) for choice in schema["enum"]))
    parts += [
        *_numbers(schema),
        *_sizes(schema, "Length", "character"),
        *_sizes(schema, "Items", "item"),
    ]
    if "x-form" in schema:
        parts.append(escaped(schema["x-form"]))
    return "; ".join(dict.fromkeys(parts))


def _numbers(schema: Schema) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f"{low:,} to {high:,}"
    elif low is not None:
        yield f"at least {low:,}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']:,}"
    if low is None and high is not None:
        yield f"at most {high:,}"
    if "exclusiveMaximum" in schema:
        yield f"less than {schema['exclusiveMaximum']:,}"
    if "multipleOf" in schema:
        yield f"a multiple of {schema['multipleOf']:,}"


def _sizes(schema: Schema, what: str, unit: str) -> Iterator[str]:
    low, high = schema.get(f"min{what}", 0), schema.get(f"max{what}")
    if high is not None:
        yield f"{f'{low:,} to' if low else 'at most'} {high:,} {unit}s"
    elif low == 1:
        yield "not empty"
    elif low:
        yield f"at least {low:,} {unit}s"
