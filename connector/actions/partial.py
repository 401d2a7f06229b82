"""The error of an action that failed in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.client import Client

_NOTHING_SENT = ("invalid_input", "invalid_connection", "blocked_target")
"""Errors found before a request is sent; every other request would fail in the same way."""


def failure(outcomes: Sequence[Any], data: Any, client: Client, parts: str) -> ConnectorError:
    """Return the error of an action in which some of `outcomes` are errors.

    `data` is what was finished; None means nothing was, and the error then has the code of the
    first failure. `parts` names the items in the message, such as "prompts". If nothing was sent
    because the inputs or the connection are invalid, that error itself is returned.

    The error is retryable if every failure is. `sent` is "unknown" as soon as one part is
    done, because repeating the action would pay for that part twice.
    """
    errors = [outcome for outcome in outcomes if isinstance(outcome, ConnectorError)]
    cause = next((error for error in errors if error.code != "cancelled"), errors[0])
    sent = {error.sent for error in errors}
    done = len(errors) < len(outcomes)
    if not done and cause.code in _NOTHING_SENT and client.sent == "no":
        return cause
    code = cause.code if data is None else "partial_failure"
    if cause.code == "internal_error" and not done:
        code = cause.code
    error = ConnectorError(
        "cancelled" if client.interrupted else code,
        f"{len(errors)} of {len(outcomes)} {parts} failed; the first: {cause}",
        sent="unknown" if done or "unknown" in sent else "rejected" if "rejected" in sent else "no",
        retryable=all(error.retryable for error in errors),
        http_status=cause.http_status,
        retry_after_ms=cause.retry_after_ms,
        provider_code=cause.provider_code,
        provider_param=cause.provider_param,
        request_id=cause.request_id,
        hint=cause.hint,
    )
    error.data = data
    return error
