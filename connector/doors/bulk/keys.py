"""The key of a row: a digest of what its call is, so that a row is never paid for twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from connector.connector import Connector
from connector.text import strict_json


def identity(connector: Connector, connection: Any) -> str:
    """Return what stands for a connection: its name, or its fields without the secret ones."""
    if not isinstance(connection, Mapping):
        return f"name:{connection}"
    kinds = connector.manifest.connections
    kind = connection.get("key") or next(iter(kinds))
    secret = {item.key for item in kinds[kind].fields if item.secret} if kind in kinds else set()
    fields = connection.get("fields") or {}
    shown = {name: value for name, value in sorted(fields.items()) if name not in secret}
    return f"fields:{kind}:{strict_json.dumps(shown).decode()}"


def row_key(action: str, inputs: Mapping[str, Any], connection: str) -> tuple[str, int]:
    """Return the key of a call, and the size of its inputs in bytes.

    The key is made of the action, the cleaned inputs and the connection's identity.
    """
    text = strict_json.dumps([action, connection, sorted(inputs.items())])
    return hashlib.sha256(text).hexdigest(), len(text)
