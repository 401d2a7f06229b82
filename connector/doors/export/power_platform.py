"""A custom connector for Power Automate, Power Apps, Logic Apps and Copilot Studio.

The limits of that platform are in docs/power-platform.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.doors import openapi
from connector.doors.export import swagger
from connector.doors.export.icon import tile
from connector.doors.export.older_schema import each_property
from connector.text.markdown import plain

_TITLE = 30
_DESCRIPTION = 500
_SUMMARY = 80
"""The longest texts, in characters."""

_HOST = "connector.example"
"""The platform demands a host; the connection replaces it."""

_TEST = "TestConnection"


def files(connector: Connector) -> dict[str, bytes]:
    """Return the files that the platform's own tools upload.

    Raises ModuleNotFoundError without the extra `export`, which draws the icon.
    """
    icon, colour = tile(connector.icon())
    return {
        "apiDefinition.swagger.json": swagger.encode(_definition(connector)),
        "apiProperties.json": swagger.encode(_properties(connector.manifest.label, colour)),
        "icon.png": icon,
    }


def _definition(connector: Connector) -> dict[str, Any]:
    described = connector.describe()
    rows = described["actions"]
    document = swagger.document(openapi.document(connector))
    definitions = document["definitions"]
    paths: dict[str, Any] = {}
    for row in rows:
        path = f"/v1/actions/{row['key']}"
        operation = _operation(document["paths"][path]["post"], row["label"], row["description"])
        inputs = f"{_pascal(row['key'])}Inputs"
        operation["parameters"][0]["schema"] = _body({"$ref": f"#/definitions/{inputs}"})
        _mark_inputs(definitions[inputs], row)
        paths[path] = {"post": operation}
    test = document["paths"]["/v1/connection/test"]["post"]
    paths["/v1/connection/test"] = {
        "post": _internal(test, "Test the connection", "Test it with an unbilled call")
    }
    for source in described["dataSources"]:
        path = f"/v1/options/{source['key']}"
        paths[path] = {
            "post": _internal(
                document["paths"][path]["post"], source["label"], source["description"]
            )
        }
    kept = _used(paths, definitions)
    answers = [answer for row in paths.values() for answer in row["post"]["responses"].values()]
    for schema in [definitions[name] for name in kept] + [row["schema"] for row in answers]:
        each_property(schema, _label)
    return {
        "swagger": "2.0",
        "info": {
            "title": _short(described["label"], _TITLE),
            "description": _short(
                "Actions: " + ", ".join(row["label"] for row in rows) + ".", _DESCRIPTION
            ),
            "version": document["info"]["version"],
        },
        "host": _HOST,
        "basePath": "/",
        "schemes": ["https"],
        "consumes": document["consumes"],
        "produces": document["produces"],
        "paths": paths,
        "definitions": {name: definitions[name] for name in definitions if name in kept},
        "securityDefinitions": {},
        "security": [],
        "x-ms-capabilities": {"testConnection": {"operationId": _TEST, "parameters": {}}},
    }


def _operation(row: Mapping[str, Any], label: str, description: str) -> dict[str, Any]:
    return {
        "operationId": _pascal(row["operationId"]),
        "summary": _short(re.sub(r"\W+$", "", label.replace("/", " ")), _SUMMARY),
        "description": _ended(plain(description)),
        "parameters": [dict(parameter) for parameter in row["parameters"]],
        "responses": row["responses"],
    }


def _internal(row: Mapping[str, Any], label: str, description: str) -> dict[str, Any]:
    """Return an operation that the platform calls itself."""
    operation = _operation(row, label, description)
    operation["x-ms-visibility"] = "internal"
    # A policy fills it in; the platform demands a default for what nobody sees.
    name = {"type": "string", "default": "connection", "x-ms-visibility": "internal"}
    operation["parameters"][0]["schema"] = {
        "type": "object",
        "properties": {"connection": {**name, "x-ms-summary": "Connection"}},
        "required": ["connection"],
    }
    return operation


def _body(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a call; its connection is that of the platform."""
    return {"type": "object", "properties": {"inputs": inputs}, "required": ["inputs"]}


def _mark_inputs(schema: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    for item in row["inputs"]:
        found = schema.get("properties", {}).get(item["key"])
        if found is None:  # the connection
            continue
        if item.get("advanced"):
            found["x-ms-visibility"] = "advanced"
        elif item.get("required"):
            found["x-ms-visibility"] = "important"
        if "dataSource" in item:
            found["x-ms-dynamic-values"] = {
                "operationId": _pascal(item["dataSource"]),
                "parameters": {},
                "value-collection": "data",
                "value-path": "key",
                "value-title": "label",
            }


def _label(key: str, schema: dict[str, Any]) -> None:
    """Give a property the title that the platform shows."""
    if "$ref" not in schema:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", key)
        title = schema.pop("title", words[:1].upper() + words[1:])
        schema["x-ms-summary"] = _short(title, _SUMMARY)


def _used(paths: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """Return the names of the definitions that the paths lead to."""
    found: set[str] = set()

    def follow(value: Any) -> None:
        if isinstance(value, Mapping):
            name = str(value.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                follow(definitions[name])
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                follow(item)

    follow(paths)
    return found


def _properties(label: str, colour: str) -> dict[str, Any]:
    """Return the fields of a connection on the platform, and how they reach the connector."""
    return {
        "properties": {
            "connectionParameters": {
                "host": _parameter(
                    "string", "Server", "The public name of the server, such as ai.example.com."
                ),
                "token": _parameter(
                    "securestring", "Token", "The token of the server, without Bearer.", False
                ),
                "connection": _parameter(
                    "string", "Connection", "The name of a connection that the server knows."
                ),
            },
            "iconBrandColor": colour,
            "capabilities": [],
            "publisher": label,
            "policyTemplateInstances": [
                _policy(
                    "dynamichosturl",
                    "Send to the server of the connection",
                    urlTemplate="https://@connectionParameters('host')",
                ),
                _policy(
                    "setheader",
                    "Add the token",
                    name="Authorization",
                    value="Bearer @connectionParameters('token')",
                    existsAction="override",
                ),
                _policy(
                    "setproperty",
                    "Add the name of the connection",
                    newPropertyParentPathTemplate="@body()",
                    newPropertySubPathTemplate="connection",
                    propertyValuePathTemplate="@connectionParameters('connection')",
                ),
            ],
        }
    }


def _parameter(kind: str, label: str, text: str, is_clear: bool = True) -> dict[str, Any]:
    constraints: dict[str, Any] = {"required": "true"}
    if not is_clear:
        constraints["clearText"] = False
    definition = {"displayName": label, "description": text, "tooltip": text}
    return {"type": kind, "uiDefinition": {**definition, "constraints": constraints}}


def _policy(template: str, title: str, **values: str) -> dict[str, Any]:
    named = {f"x-ms-apimTemplateParameter.{key}": value for key, value in values.items()}
    section = {} if template == "dynamichosturl" else {"x-ms-apimTemplate-policySection": "Request"}
    return {"templateId": template, "title": title, "parameters": {**named, **section}}


def _pascal(key: str) -> str:
    return key[:1].upper() + key[1:]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
