"""OpenAPI documents: 3.1 as the HTTP door serves it, and Swagger 2.0 for tools that need that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.doors import openapi
from connector.doors.export.older_schema import older


def files(connector: Connector) -> dict[str, bytes]:
    """Return `openapi.json` (3.1) and `swagger.json` (2.0)."""
    newer = openapi.document(connector)
    return {"openapi.json": encode(newer), "swagger.json": encode(document(newer))}


def encode(value: Any) -> bytes:
    """Return a JSON file that people can read, in ASCII: not every tool knows that it is UTF-8."""
    return (json.dumps(value, indent=2) + "\n").encode()


def document(newer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of ours as Swagger 2.0."""
    return {
        "swagger": "2.0",
        "info": newer["info"],
        "basePath": "/",
        "consumes": [openapi.JSON],
        "produces": [openapi.JSON],
        "paths": {
            path: {method: _operation(row) for method, row in methods.items()}
            for path, methods in newer["paths"].items()
        },
        "definitions": {
            name: _definition(schema) for name, schema in newer["components"]["schemas"].items()
        },
        "securityDefinitions": {
            "token": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`Bearer ` and the token of the operator, where one is set.",
            }
        },
        "security": newer["security"],
    }


def _operation(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: row[key] for key in row if key not in ("requestBody", "responses")}
    if "requestBody" in row:
        schema = older(row["requestBody"]["content"][openapi.JSON]["schema"])
        found["parameters"] = [{"name": "body", "in": "body", "required": True, "schema": schema}]
    found["responses"] = {
        status: {
            "description": answer["description"],
            "schema": _answer(answer["content"][openapi.JSON]["schema"]),
        }
        for status, answer in row["responses"].items()
    }
    return found


def _answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a response: of alternatives the first, which `_definition` extends."""
    return older(schema.get("anyOf", [schema])[0])


def _definition(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component; that of a success also describes what failed in part."""
    found = older(schema)
    if found.get("properties", {}).get("ok") == {"enum": [True]}:
        found["properties"]["ok"] = {"type": "boolean", "description": "False if a part failed."}
        found["properties"]["error"] = {"$ref": "#/definitions/Error"}
    return found
