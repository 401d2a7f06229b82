"""The connector's documentation page in Markdown, made from the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connector.connector import Connector
from connector.errors import CODES
from connector.manifest.schemas import bundle


def render(connector: Connector) -> str:
    """Return the page: connection, actions, outputs, error codes, examples."""
    return "\n".join(_lines(connector)).rstrip() + "\n"


def _lines(connector: Connector) -> Iterator[str]:
    spec = connector.manifest
    described = connector.describe()
    yield "---"
    yield f"title: {spec.label} Connector"
    yield f"sidebar_label: {spec.label}"
    yield f"description: {spec.description}"
    yield "---"
    yield ""
    if described.get("icon"):
        yield f"![{spec.label}](../{described['icon']}#connector-icon)"
    yield spec.description
    yield from ("", "## Connections", "")
    for connection in described["connections"]:
        yield f"### {connection['label']} {{#{connection['key'].lower()}}}"
        yield from ("", connection.get("description", ""), "")
        yield connection.get("documentation", "").strip()
        yield from ("", *_table(connection["fields"]), "")
    yield from ("## Actions", "")
    for action in described["actions"]:
        yield f"### {action['label']} {{#{action['key'].lower()}}}"
        yield from ("", action["description"], "", *_table(action["inputs"]), "")
        yield from _output(action, connector)
        yield from _examples(action)
    yield from _codes()


def _table(inputs: list[Mapping[str, Any]]) -> Iterator[str]:
    yield "| Input | Comments | Default |"
    yield "| ----- | -------- | ------- |"
    for item in inputs:
        default = _cell(item["default"]) if "default" in item else ""
        yield f"| {item['label']} | {_escaped(item['comments'])} | {default} |"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, list | dict):
        text = json.dumps(value, indent=2, ensure_ascii=False)
        lines = [line.strip() for line in text.splitlines()]
        joined = "<br /> ".join(lines[:-1]) + f"<br />{lines[-1]}"
        return f"<code>{joined}</code>"
    return json.dumps(value)


def _escaped(text: str) -> str:
    """Escape `text` so that a Markdown table and MDX both show it unchanged."""
    for mark, safe in (("|", "\\|"), ("<", "&lt;"), ("{", "&#123;"), ("}", "&#125;")):
        text = text.replace(mark, safe)
    return text


def _output(action: Mapping[str, Any], connector: Connector) -> Iterator[str]:
    name = action.get("output")
    if name is None:
        return
    schema = bundle(name, connector.manifest.schemas)
    yield f"**Output.** {schema.get('description', schema['title'])}"
    yield ""
    shown = schema.get("items", schema).get("properties", {})
    for key, fragment in shown.items():
        text = fragment.get("description", "")
        yield f"- `{key}`: {_types(fragment)}{'. ' + _escaped(text) if text else ''}"
    if shown:
        yield ""


def _types(fragment: Mapping[str, Any]) -> str:
    types = fragment.get("type", "any")
    return types if isinstance(types, str) else " or ".join(types)


def _examples(action: Mapping[str, Any]) -> Iterator[str]:
    for example in action.get("examples", ()):
        yield f"**Example: {example['name']}.** Save it as `payload.json`, then run"
        yield f"`connector invoke {action['key']} --payload payload.json --sandbox`."
        yield from ("", "```json")
        yield json.dumps({"inputs": example["inputs"]}, indent=2, ensure_ascii=False)
        yield from ("```", "")


def _codes() -> Iterator[str]:
    yield from ("## Error codes", "")
    yield "| Code | May be retried | Meaning | What to do |"
    yield "| ---- | -------------- | ------- | ---------- |"
    for name, code in CODES.items():
        retry = "yes" if code.retryable else "no"
        yield f"| `{name}` | {retry} | {code.meaning} | {code.remedy} |"
