"""The OpenAPI 3.1 document: one operation an action, made from the manifest and its schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.doors.statuses import statuses
from connector.errors import CODES
from connector.version import __version__

JSON = "application/json"


def document(connector: Connector) -> dict[str, Any]:
    """Return the OpenAPI document of a connector served over HTTP."""
    described = connector.describe()
    schemas: dict[str, Any] = dict(_SHARED)
    schemas["Error"] = _error()
    schemas["ConnectionFields"] = _hoist(
        "ConnectionFields", connector.schema("connection"), schemas
    )
    paths: dict[str, Any] = {}
    for row in described["actions"]:
        key = row["key"]
        name = key[:1].upper() + key[1:]
        schemas[f"{name}Inputs"] = _hoist(f"{name}Inputs", connector.schema(key), schemas)
        schemas[f"{name}Output"] = _hoist(f"{name}Output", connector.output_schema(key), schemas)
        schemas[f"{name}Invocation"] = _invocation(f"{name}Inputs")
        schemas[f"{name}Success"] = _success({"$ref": f"#/components/schemas/{name}Output"})
        paths[f"/v1/actions/{key}"] = {"post": _call(row, name)}
        paths[f"/v1/actions/{key}/dry-run"] = {"post": _dry_run(row, name)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": described["label"],
            "version": described.get("version", __version__),
            "description": (
                "Each action is one operation. The schemas describe cleaned inputs: a text is also "
                "accepted where a number, a boolean, an array or an object is wanted, and is "
                'converted; null and, for most inputs, "" mean the default.'
            ),
        },
        "paths": {**paths, **_other_paths(connector)},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of the operator, where one is set.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


def _hoist(name: str, schema: Mapping[str, Any], schemas: dict[str, Any]) -> Any:
    """Return a schema whose `$defs` have become components, because a reference in an OpenAPI
    document starts at its root."""
    rest = {key: value for key, value in schema.items() if key not in ("$defs", "$schema", "$id")}
    for key, value in schema.get("$defs", {}).items():
        schemas[f"{name}.{_safe(key)}"] = _rewritten(name, value)
    return _rewritten(name, rest)


def _rewritten(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_rewritten(name, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _rewritten(name, item) for key, item in value.items()}
    target = value.get("$ref")
    if isinstance(target, str):
        _, _, key = target.partition("#/$defs/")
        found["$ref"] = f"#/components/schemas/{name}" + (f".{_safe(key)}" if key else "")
    return found


def _safe(key: str) -> str:
    return key.replace("~1", ".").replace("/", ".").replace("~0", "~")


def _invocation(inputs: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "connection": {"$ref": "#/components/schemas/Connection"},
            "inputs": {"$ref": f"#/components/schemas/{inputs}"},
        },
    }


def _success(data: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["ok", "data", "meta"],
        "properties": {
            "ok": {"const": True},
            "data": data,
            "meta": {"$ref": "#/components/schemas/Meta"},
        },
    }


def _call(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    schema = {
        "anyOf": [
            {"$ref": f"#/components/schemas/{name}Success"},
            {"$ref": "#/components/schemas/Failure"},
        ]
    }
    return {
        "operationId": row["key"],
        "summary": row["label"],
        "description": row.get("comments", ""),
        "tags": ["actions"],
        "requestBody": _body(f"{name}Invocation", _example(row)),
        "responses": {
            "200": _response(
                "Success; or, with `ok: false` and the code `partial_failure`, what was done.",
                schema,
            ),
            **_failures(),
        },
    }


def _dry_run(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    request = {"$ref": "#/components/schemas/Request"}
    data = {"anyOf": [request, {"type": "array", "items": request}]}
    return {
        "operationId": f"{row['key']}DryRun",
        "summary": f"{row['label']}: show what would be sent",
        "tags": ["dry runs"],
        "requestBody": _body(f"{name}Invocation", _example(row)),
        "responses": {"200": _response("The request, secrets masked.", _success(data))}
        | _failures(),
    }


def _example(row: Mapping[str, Any]) -> dict[str, Any]:
    inputs = {
        item["key"]: item.get("example", item.get("default"))
        for item in row["inputs"]
        if item.get("required") and item["key"] != "connection"
    }
    return {"connection": "sandbox", "inputs": inputs}


def _body(schema: str, example: Any) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"required": True, "content": {JSON: content}}


def _response(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _failures() -> dict[str, Any]:
    failure = {"$ref": "#/components/schemas/Failure"}
    rows = {
        401: "The connector's own token is wrong (`authentication_failed`, `sent: no`).",
        403: "The host name or the web origin is not served (`permission_denied`, `sent: no`).",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "The body is not application/json.",
        429: "The door is full (`rate_limited`, `sent: no`); see Retry-After.",
    }
    for status, codes in statuses().items():
        if status != 200:
            rows[status] = "`" + "`, `".join(codes) + "`"
    return {str(status): _response(rows[status], failure) for status in sorted(rows)}


def _other_paths(connector: Connector) -> dict[str, Any]:
    connection = {"$ref": "#/components/schemas/ConnectionInvocation"}
    body = {
        "required": True,
        "content": {JSON: {"schema": connection, "example": {"connection": "sandbox"}}},
    }
    choice = {
        "type": "object",
        "required": ["key", "label"],
        "properties": {"key": {"type": "string"}, "label": {"type": "string"}},
    }
    found: dict[str, Any] = {
        "/v1/connection/test": {
            "post": {
                "operationId": "testConnection",
                "summary": "Test a connection with an unbilled call",
                "tags": ["connections"],
                "requestBody": body,
                "responses": {
                    "200": _response("A verdict on each part.", _success({"type": "object"}))
                }
                | _failures(),
            }
        },
        "/v1/connections": {
            "get": _read(
                "listConnections",
                "The names of the configured connections",
                {"type": "array", "items": {"type": "string"}},
            )
        },
        "/v1/connection/schema": {
            "get": _read("connectionSchema", "The JSON Schema of a connection's fields")
        },
        "/v1/actions": {"get": _read("listActions", "The manifest: all that a form needs")},
    }
    for key, row in connector.manifest.data_sources.items():
        found[f"/v1/options/{key}"] = {
            "post": {
                "operationId": key,
                "summary": f"The choices of {row.key}",
                "tags": ["connections"],
                "requestBody": body,
                "responses": {
                    "200": _response("The choices.", _success({"type": "array", "items": choice}))
                }
                | _failures(),
            }
        }
    return found


def _read(key: str, summary: str, schema: Any = None) -> dict[str, Any]:
    return {
        "operationId": key,
        "summary": summary,
        "tags": ["description"],
        "responses": {
            "200": _response(f"{summary}.", schema or {"type": "object"}),
            "401": _response("The token is wrong.", {"$ref": "#/components/schemas/Failure"}),
        },
    }


def _error() -> dict[str, Any]:
    text = {"type": "string"}
    number = {"type": "number"}
    return {
        "type": "object",
        "required": ["code", "message", "retryable", "sent"],
        "properties": {
            "code": {"enum": list(CODES)},
            "message": text,
            "retryable": {"type": "boolean"},
            "sent": {
                "enum": ["no", "rejected", "unknown"],
                "description": "Whether the provider may have done and billed the work.",
            },
            "httpStatus": {"type": "integer"},
            "retryAfterMs": number,
            "providerCode": text,
            "providerParam": text,
            "requestId": text,
            "hint": text,
            "details": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["path", "message"],
                    "properties": {"path": text, "input": text, "message": text},
                },
            },
        },
    }


_NULLABLE = {"type": ["string", "null"]}

_SHARED: dict[str, Any] = {
    "Connection": {
        "description": "The name of a configured connection, or one written out where the "
        "operator allows it.",
        "anyOf": [
            {"type": "string", "minLength": 1},
            {
                "type": "object",
                "required": ["fields"],
                "additionalProperties": False,
                "properties": {
                    "key": {"type": "string"},
                    "fields": {"$ref": "#/components/schemas/ConnectionFields"},
                },
            },
        ],
    },
    "ConnectionInvocation": {
        "type": "object",
        "required": ["connection"],
        "properties": {"connection": {"$ref": "#/components/schemas/Connection"}},
    },
    "Meta": {
        "type": "object",
        "required": ["action", "provider", "attempts", "durationMs", "requestId", "warnings"],
        "properties": {
            "action": _NULLABLE,
            "provider": _NULLABLE,
            "attempts": {"type": "integer"},
            "durationMs": {"type": "integer"},
            "requestId": _NULLABLE,
            "usage": {"type": ["object", "null"]},
            "warnings": {"type": "array", "items": {"type": "string"}},
            "rateLimit": {"type": "object"},
            "cost": {"type": "object"},
            "toolCalls": {"type": "array", "items": {"type": "object"}},
            "httpStatus": {"type": ["integer", "null"]},
            "headers": {"type": "object"},
        },
    },
    "Failure": {
        "type": "object",
        "required": ["ok", "error", "meta"],
        "properties": {
            "ok": {"const": False},
            "error": {"$ref": "#/components/schemas/Error"},
            "meta": {"$ref": "#/components/schemas/Meta"},
            "data": {"description": "What was done before the failure."},
        },
    },
    "Request": {
        "type": "object",
        "required": ["method", "url", "headers"],
        "properties": {
            "method": {"type": "string"},
            "url": {"type": "string"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {},
        },
    },
}
