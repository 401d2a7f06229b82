"""Reads the fields of a connection that all providers have, and reports invalid ones."""

from __future__ import annotations

from connector.errors import ConnectorError, ErrorCode
from connector.problems import error_of, problem
from connector.providers import paths
from connector.providers.endpoint import Endpoint, parse_endpoint


def endpoint_of(text: str) -> Endpoint:
    """Return the endpoint in the field `endpoint`.

    Raises ConnectorError `invalid_connection` or `blocked_target`, with details.
    """
    try:
        endpoint = parse_endpoint(text)
        if endpoint.path and (fault := paths.path_fault(endpoint.path)):
            raise ConnectorError("invalid_connection", f"has a path that {fault}")
        return endpoint
    except ConnectorError as error:
        raise field_error("endpoint", "Endpoint", error.message, error.code) from None


def field_error(
    field: str, label: str, message: str, code: ErrorCode = "invalid_connection"
) -> ConnectorError:
    """Return the error of an invalid field."""
    return error_of(code, [problem(f"/connection/fields/{field}", message, label)])
