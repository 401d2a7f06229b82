"""A connection to the sandbox with the fields that a manifest declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.server import Sandbox


def connection_to(sandbox: Sandbox, kind: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a connection to a running sandbox, of the first kind in the manifest's document.

    The field `endpoint` gets the sandbox's address, a secret field the sandbox's key; another
    required field gets its example. Raises ValueError for a kind that the sandbox does not have.
    """
    given = sandbox.connection(kind)["fields"]
    declared = manifest["connections"][0]
    fields = {}
    for field in declared["fields"]:
        key = field["key"]
        if key in given:
            fields[key] = given[key]
        elif field.get("required") and "default" not in field:
            fields[key] = given["apiKey"] if field.get("secret") else field.get("example")
    return {"key": declared["key"], "fields": fields}
