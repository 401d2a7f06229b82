"""The HTTP status of each error code, for the HTTP door and for what describes it."""

from __future__ import annotations

from connector.errors import CODES, ConnectorError

STATUS = {
    "invalid_payload": 400,
    "invalid_input": 400,
    "invalid_connection": 400,
    "blocked_target": 400,
    "unknown_action": 404,
    "internal_error": 500,
    "invalid_manifest": 500,
    "deadline_exceeded": 504,
    "partial_failure": 200,
}
"""Every other code says what the provider answered or did: 424 Failed Dependency."""

PROVIDER_FAILED = 424


def status_of(error: ConnectorError | None) -> int:
    """Return the status of a result with this error."""
    return 200 if error is None else STATUS.get(error.code, PROVIDER_FAILED)


def statuses() -> dict[int, list[str]]:
    """Return the codes behind each status."""
    found: dict[int, list[str]] = {}
    for code in CODES:
        found.setdefault(STATUS.get(code, PROVIDER_FAILED), []).append(code)
    return found
