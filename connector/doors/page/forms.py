"""The tables of inputs. The published columns come first; what a builder needs follows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.doors.page.shapes import Shapes, limits
from connector.doors.page.text import code, table, value

_COLUMNS = ("Input", "Comments", "Default", "Key", "Type", "Required", "Values")


def form(
    inputs: Sequence[Mapping[str, Any]], shapes: Shapes, dropdowns: Mapping[str, str]
) -> Iterator[str]:
    """Yield the table of `inputs`; `dropdowns` gives the label of each data source."""
    yield from table(
        _COLUMNS,
        (
            (
                item["label"],
                shapes.prose(item["comments"]),
                value(item["default"]) if "default" in item else "",
                code(item["key"]),
                _type(item, shapes),
                _required(item),
                _values(item, dropdowns),
            )
            for item in inputs
        ),
    )
    yield ""


def _type(item: Mapping[str, Any], shapes: Shapes) -> str:
    if "schema" not in item:  # the connection
        return "object, or the name of a configured connection"
    return shapes.type_of(item["schema"]) + (", secret" if item.get("secret") else "")


def _required(item: Mapping[str, Any]) -> str:
    if item.get("required") and "default" not in item:
        return "yes"
    return "no, advanced" if item.get("advanced") else "no"


def _values(item: Mapping[str, Any], dropdowns: Mapping[str, str]) -> str:
    schema = item.get("schema", {})
    parts = [limits(schema)]
    source = item.get("dataSource")
    if source is not None:
        parts.append(f"dropdown: [{dropdowns[source]}](#{source.lower()})")
    for other, values in item.get("visibleWhen", {}).items():
        parts.append(f"only if {code(other)} is {' or '.join(code(json.dumps(v)) for v in values)}")
    if item.get("operatorOnly"):
        parts.append("may be reserved for the operator")
    lists_choices = "enum" in schema or schema.get("type") == "boolean"
    if "example" in item and not lists_choices and not item.get("secret"):
        example = item["example"]
        text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
        parts.append(f"for example {code(text)}")
    return "; ".join(filter(None, parts))
