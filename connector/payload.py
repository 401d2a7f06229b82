"""The payload of an invocation, read strictly; the same for every door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from connector.errors import ConnectorError, problem, refused, unknown
from connector.text import strict_json


class Payload(NamedTuple):
    """What a payload holds: `inputs`, empty where it has none, and `connection`, an object or the
    name of a configured one, None where it has none."""

    inputs: Mapping[str, Any]
    connection: Mapping[str, Any] | str | None


def parse(text: bytes | str) -> Payload:
    """Return the payload of a JSON text.

    Raises ConnectorError `invalid_payload` for what is not an object of `inputs` and
    `connection`, and for a key that is duplicated anywhere in it.
    """
    try:
        value = strict_json.loads(text, unique=True)
    except ValueError as error:
        raise ConnectorError(
            "invalid_payload",
            f"The payload is not JSON: {error}.",
            hint='Write it as {"connection": …, "inputs": {…}}.',
        ) from None
    if not isinstance(value, dict):
        raise refused("invalid_payload", [problem("", "must be a JSON object")])
    rows = [
        problem(unknown(name), "is not known here; a payload has inputs and connection")
        for name in value
        if name not in ("inputs", "connection")
    ]
    inputs, connection = value.get("inputs"), value.get("connection")
    if not isinstance(inputs, dict | None):
        rows.append(problem("/inputs", "must be an object"))
    if not isinstance(connection, dict | str | None):
        rows.append(problem("/connection", "must be an object, or the name of a connection"))
    if rows:
        raise refused("invalid_payload", rows)
    return Payload(inputs or {}, connection)
