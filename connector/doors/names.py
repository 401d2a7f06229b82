"""Connections that an engine passes by name, so that it stores no key."""

from __future__ import annotations

from typing import Any

from connector.problems import error_of, problem


def only_a_name(connection: Any) -> str | None:
    """Return the name of a connection, None if absent. Raises ConnectorError `invalid_connection`
    for anything else, which may hold a key."""
    if connection is None or isinstance(connection, str):
        return connection
    message = "must be the name of a connection, because the engine stores what it passes"
    raise error_of("invalid_connection", [problem("/connection", message)])
