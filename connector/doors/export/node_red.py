"""A package of Node-RED nodes: a node an action, and one for the server.

What the nodes do is in `templates/node_red`; the manifest becomes the data that they read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as package_files
from typing import Any

from connector.connector import Connector
from connector.doors.export.node_red_page import page
from connector.doors.export.swagger import encode
from connector.text.markdown import plain
from connector.version import __version__

_DYNAMIC = ("msg", "flow", "global", "jsonata", "env")
"""Types of Node-RED's typed input that any input can have."""

_LOWEST = {"node-red": ">=5.0.0", "node": ">=22.9"}
"""The versions that the tests run the nodes in."""


def files(connector: Connector) -> dict[str, bytes]:
    """Return the files of the package."""
    described = connector.describe()
    name = f"node-red-contrib-{described['key']}-connector"
    version = described.get("version", __version__)
    definition = _definition(connector, described)
    made = {
        "package.json": encode(_package(name, version, described)),
        "definition.json": encode(definition),
        "connector.js": _template("connector.js").encode(),
        "connector.html": page(
            described, definition, _template("editor.js"), _template("style.css")
        ).encode(),
        "README.md": _readme(name, version, described).encode(),
    }
    icon = connector.icon()
    return {**made, "icons/connector.png": icon} if icon else made


def _template(name: str) -> str:
    folder = package_files("connector.doors.export") / "templates" / "node_red"
    return (folder / name).read_text(encoding="utf-8")


def _package(name: str, version: str, described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "description": f"{described['label']}: {plain(described['description'])}",
        "keywords": ["node-red", described["key"]],
        "license": "Apache-2.0",
        "engines": {"node": _LOWEST["node"]},
        "node-red": {"version": _LOWEST["node-red"], "nodes": {"connector": "connector.js"}},
    }


# What the nodes read


def _definition(connector: Connector, described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": described["key"],
        "label": described["label"],
        "actions": [
            {
                "key": row["key"],
                "type": f"{described['key']}-{row['key']}",
                "label": row["label"],
                "inputs": list(_inputs(row, connector.schema(row["key"])["properties"])),
            }
            for row in described["actions"]
        ],
    }


def _inputs(row: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    wanted = [item["key"] for item in row["inputs"] if _is_wanted(item)]
    for item in row["inputs"]:
        schema = schemas.get(item["key"])
        if schema is None:  # the connection: the node of the server has it
            continue
        own = _own_types(schema)
        kind, value = _initial(item, own, wanted[:1])
        found = {
            "key": item["key"],
            "label": item["label"],
            "comments": plain(item.get("comments", "")),
            "placeholder": _placeholder(item),
            "required": _is_wanted(item),
            "advanced": bool(item.get("advanced")),
            "types": [*own, *_DYNAMIC],
            "initialType": kind,
            "initial": value,
        }
        if own == ["choice"]:
            blank = [] if value else [{"value": "", "label": ""}]
            named = [{"value": name, "label": name} for name in schema["enum"]]
            found["options"] = blank + named
        if "dataSource" in item:
            found["source"] = item["dataSource"]
        yield found


def _own_types(schema: Mapping[str, Any]) -> list[str]:
    """Return the types of typed input that suit a schema, the usual one first."""
    if "enum" in schema:
        return ["choice"]
    declared = schema.get("type", ())
    types = {declared} if isinstance(declared, str) else {*declared} - {"null"}
    if types == {"string"}:
        return ["str"]
    if types == {"boolean"}:
        return ["bool"]
    if types and types <= {"integer", "number"}:
        return ["num"]
    return ["json", "str"] if "string" in types else ["json"]


def _is_wanted(item: Mapping[str, Any]) -> bool:
    """Whether an action does not run without this input."""
    return bool(item.get("required")) and "default" not in item and item["key"] != "connection"


def _initial(
    item: Mapping[str, Any], own: Sequence[str], payload: Sequence[str]
) -> tuple[str, str]:
    """Return the type and the text that a new node begins with.

    What is required is filled in, without a default from the message: `msg.payload` for the input
    that `payload` names, the property of its own name for any other. The rest stays blank, except
    where a form cannot show that.
    """
    kind = own[0]
    if "default" in item and (item.get("required") or kind in ("bool", "choice")):
        return kind, _text(item["default"])
    if not item.get("required"):
        return kind, ""
    if kind == "choice":
        return kind, _text(item.get("example", ""))
    return "msg", "payload" if item["key"] in payload else item["key"]


def _placeholder(item: Mapping[str, Any]) -> str:
    if "default" in item:
        return f"default: {_text(item['default'])}"
    return str(item.get("placeholder", ""))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _readme(name: str, version: str, described: Mapping[str, Any]) -> str:
    rows = "\n".join(f"- **{row['label']}**: {row['description']}" for row in described["actions"])
    return f"""\
# {name}

Nodes for Node-RED: {described["label"]}, version {version}. They call a server, which holds the
keys: start it with `connector serve`.

{rows}

Install the package in the folder of Node-RED's settings:

```sh
cd ~/.node-red
npm install PATH/TO/{name}
```

This package was made by `connector export node-red`. Do not edit it: export it again.
"""
