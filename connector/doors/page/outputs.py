"""What an action returns: the path of each value as an engine addresses it, and examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.doors.page.shapes import Schema, Shapes
from connector.doors.page.text import code, json_block, table
from connector.manifest.schemas import resolved


def output(action: Mapping[str, Any], schema: Schema, shapes: Shapes) -> Iterator[str]:
    """Yield the description of the output of an action, whose schema is `schema`."""
    anchor = f"{{#{action['key'].lower()}-output}}"
    shown = list(_paths("data", schema, schema, ()))
    path, examples = action.get("outputPath"), action.get("outputExamples", ())
    about = schema.get("description", schema.get("title"))
    if not (about or path or examples):
        return
    yield from (f"#### Output {anchor}", "")
    if about:
        yield from (shapes.prose(about), "")
    if path:
        yield from (f"The value that most flows use next: {code(path)}", "")
    if len(shown) > 1:
        yield from table(
            ("Path", "Comments", "Type"),
            (
                (code(at), shapes.prose(part.get("description", "")), shapes.type_of(part))
                for at, part in shown[1:]
            ),
        )
        yield ""
    for example in examples:
        yield from (f"**{example['name']}**", "")
        yield from json_block({"data": example["data"]})


def _paths(
    at: str, schema: Any, root: Schema, inside: tuple[int, ...]
) -> Iterator[tuple[str, Schema]]:
    """Yield the path of each value below `at`. A list is shown by its first item."""
    part = resolved(schema, root)
    if not isinstance(part, Mapping) or id(part) in inside:  # a schema may refer to itself
        return
    yield at, schema if "description" in schema else part
    inside = (*inside, id(part))
    for key, fragment in part.get("properties", {}).items():
        yield from _paths(f"{at}.{key}", fragment, root, inside)
    items = part.get("items")
    if isinstance(items, Mapping):
        rows = list(_paths(f"{at}[0]", items, root, inside))
        yield from rows[1:] or rows
