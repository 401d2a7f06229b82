"""The connector's documentation page in Markdown, made from the manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connector.connector import Connector
from connector.doors.page import guides
from connector.doors.page.forms import form
from connector.doors.page.outputs import output
from connector.doors.page.shapes import Shapes
from connector.doors.page.text import code, json_block


def render(connector: Connector, folder: str = "..") -> str:
    """Return the page: connections, actions, dropdowns, models, costs, shapes, results, codes.

    `folder` leads from the page to the folder of the manifest, where the icon is.
    """
    return "\n".join(_lines(connector, folder)).rstrip() + "\n"


def folder_from(page: Path, manifest: Path) -> str:
    """Return the relative path from a page to the folder of a manifest."""
    return Path(os.path.relpath(manifest.resolve().parent, page.resolve().parent)).as_posix()


def _lines(connector: Connector, folder: str) -> Iterator[str]:
    described = connector.describe()
    shapes = Shapes(connector)
    labels = {item["key"]: item["label"] for item in described.get("dataSources", ())}
    yield from _head(described, folder)
    kinds = [_connection(kind, shapes, labels) for kind in described["connections"]]
    yield from ("## Connections", "")
    yield from kinds[0]
    yield from ("## Actions", "")
    for action in described["actions"]:
        yield f"### {action['label']} {{#{action['key'].lower()}}}"
        yield from ("", action["description"], "")
        yield from _limited(action)
        yield from form(action["inputs"], shapes, labels)
        yield from output(action, connector.output_schema(action["key"]), shapes)
        yield from _examples(action, own="handlers" in described)
    # After the actions, because most connectors have one kind only.
    yield from ("## Other kinds of connection", "") if kinds[1:] else ()
    for kind in kinds[1:]:
        yield from kind
    yield from guides.dropdowns(described)
    yield from guides.models(described)
    yield from guides.costs(described)
    yield from shapes.section()
    yield from guides.results()
    yield from guides.error_codes(connector)


def _connection(
    kind: Mapping[str, Any], shapes: Shapes, labels: Mapping[str, str]
) -> Iterator[str]:
    yield f"### {kind['label']} {{#{kind['key'].lower()}}}"
    yield from ("", kind.get("description", ""), "")
    yield kind.get("documentation", "").strip()
    yield from ("", *form(kind["fields"], shapes, labels))


def _head(described: Mapping[str, Any], folder: str) -> Iterator[str]:
    yield "---"
    yield f"title: {described['label']} Connector"
    yield f"sidebar_label: {described['label']}"
    yield f"description: {described['description']}"
    yield from ("---", "")
    if described.get("icon"):
        yield f"![{described['label']}]({folder}/{described['icon']}#connector-icon)"
    yield from (described["description"], "")


def _limited(action: Mapping[str, Any]) -> Iterator[str]:
    """Yield on which providers alone the action runs."""
    if "providers" in action:
        yield f"Only on {' and '.join(map(code, action['providers']))}. {action.get('instead', '')}"
        yield ""


def _examples(action: Mapping[str, Any], own: bool) -> Iterator[str]:
    options = "--manifest connector.yaml --sandbox=echo" if own else "--sandbox"
    if action.get("examples"):
        yield from (f"#### Examples {{#{action['key'].lower()}-examples}}", "")
    for example in action.get("examples", ()):
        yield f"**{example['name']}.** Save it as `payload.json`, then run"
        yield f"`connector invoke {action['key']} --payload payload.json {options}`."
        yield ""
        yield from json_block({"inputs": example["inputs"]})
