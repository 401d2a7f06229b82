"""What the providers share when they read a connection's fields."""

from __future__ import annotations

from connector.errors import ConnectorError, ErrorCode, problem, refused
from connector.providers import paths
from connector.providers.endpoint import Endpoint, parse_endpoint


def endpoint_of(text: str) -> Endpoint:
    try:
        endpoint = parse_endpoint(text)
        if endpoint.path:
            _check_base(endpoint.path)
        return endpoint
    except ConnectorError as error:
        raise refused_field("endpoint", "Endpoint", error.message, error.code) from None


def _check_base(path: str) -> None:
    if paths.path_fault(path):
        raise ConnectorError("invalid_connection", "has a path that is not plain")


def refused_field(
    field: str, label: str, message: str, code: ErrorCode = "invalid_connection"
) -> ConnectorError:
    return refused(code, [problem(f"/connection/fields/{field}", message, label)])
