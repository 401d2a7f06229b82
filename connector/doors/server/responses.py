"""Envelopes as HTTP responses."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from connector.doors.statuses import status_of
from connector.errors import ConnectorError
from connector.result import Result, failed
from connector.text import strict_json


def encode(result: Result) -> bytes:
    """Return the envelope of a result as JSON."""
    return strict_json.dumps(result.to_dict())


def json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a JSON text as a response."""
    return Response(body, status, headers, "application/json")


def data_response(value: Any) -> Response:
    """Return JSON data as a response."""
    return json_response(strict_json.dumps(value))


def error_response(
    error: ConnectorError, status: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Return an envelope for what failed before an action started."""
    return json_response(encode(failed(error)), status or status_of(error), headers)


class Refused(Exception):
    """A request is not served; carries the response."""

    def __init__(
        self, error: ConnectorError, status: int, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error.message)
        self.response = error_response(error, status, headers)


def invalid(status: int, message: str, headers: dict[str, str] | None = None) -> Refused:
    """Return the refusal of a request that cannot be read."""
    return Refused(ConnectorError("invalid_payload", message), status, headers)


def full() -> Refused:
    """Return the refusal of a request for which there is no room now."""
    error = ConnectorError(
        "rate_limited", "The connector runs as many calls as it may.", retry_after_ms=1000
    )
    return Refused(error, 429, {"Retry-After": "1"})
