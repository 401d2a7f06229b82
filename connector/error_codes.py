"""Every error code of the contract: what it means, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

ErrorCode = Literal[
    "invalid_payload",
    "unknown_action",
    "invalid_input",
    "invalid_connection",
    "invalid_manifest",
    "blocked_target",
    "authentication_failed",
    "permission_denied",
    "not_found",
    "bad_request",
    "content_filtered",
    "rate_limited",
    "quota_exhausted",
    "server_error",
    "connect_failed",
    "tls_error",
    "connection_lost",
    "timeout",
    "deadline_exceeded",
    "protocol_error",
    "invalid_response",
    "response_too_large",
    "unexpected_redirect",
    "partial_failure",
    "cancelled",
    "internal_error",
]
"""The codes of `CODES`, for type checkers."""

Sent = Literal["no", "rejected", "unknown"]
"""Whether the provider may have done the work; see `ConnectorError`."""


class CodeInfo(NamedTuple):
    """What an error code means to the engine that receives it.

    `sent` lists what the error's `sent` may be after one request. If an earlier request of the same
    action was lost, it is `unknown`.
    """

    retryable: bool
    sent: tuple[Sent, ...]
    meaning: str
    remedy: str


_NO: tuple[Sent, ...] = ("no",)
_REJECTED: tuple[Sent, ...] = ("rejected",)
_UNKNOWN: tuple[Sent, ...] = ("unknown",)
_ANY: tuple[Sent, ...] = ("no", "rejected", "unknown")


CODES: Mapping[ErrorCode, CodeInfo] = {
    "invalid_payload": CodeInfo(
        False, _NO, "The payload is not a valid invocation object.", "Fix the payload."
    ),
    "unknown_action": CodeInfo(
        False,
        _NO,
        "The connector has no action with that key.",
        "Use a key from `connector describe`.",
    ),
    "invalid_input": CodeInfo(
        False,
        ("no", "unknown"),
        "One or more inputs are invalid; `details` lists all of them.",
        "Fix the listed inputs.",
    ),
    "invalid_connection": CodeInfo(
        False,
        _NO,
        "The connection is incomplete or invalid; `details` lists every problem.",
        "Fix the connection.",
    ),
    "invalid_manifest": CodeInfo(
        False, _NO, "The manifest cannot be used.", "Run `connector check` and fix what it reports."
    ),
    "blocked_target": CodeInfo(
        False,
        _NO,
        "The request would go to a host or an address that is not allowed.",
        "Give a path only; check the endpoint.",
    ),
    "authentication_failed": CodeInfo(
        False,
        _REJECTED,
        "The provider rejected the key.",
        "Check the key, its provider and its organization.",
    ),
    "permission_denied": CodeInfo(
        False,
        _REJECTED,
        "The key is valid but may not do this.",
        "Check roles, network rules and region.",
    ),
    "not_found": CodeInfo(
        False,
        _REJECTED,
        "The model, deployment or path does not exist.",
        "Check the name of the model or deployment, and the path.",
    ),
    "bad_request": CodeInfo(
        False,
        _REJECTED,
        "The provider rejected the request.",
        "Read `providerParam` and the message.",
    ),
    "content_filtered": CodeInfo(
        False,
        ("rejected", "unknown"),
        "The provider's content policy rejected the text.",
        "Change the text or the content filter.",
    ),
    "rate_limited": CodeInfo(
        True,
        ("no", "rejected"),
        "There were too many requests or tokens within the provider's limits.",
        "Retry after `retryAfterMs`, or ask for a higher limit.",
    ),
    "quota_exhausted": CodeInfo(
        False,
        _REJECTED,
        "The account has no credit left or has reached its spend limit.",
        "Add credit; do not retry.",
    ),
    "server_error": CodeInfo(True, _REJECTED, "The provider failed.", "Retry later."),
    "connect_failed": CodeInfo(
        True,
        _NO,
        "No connection could be established; nothing was sent.",
        "Check the endpoint, DNS and the firewall.",
    ),
    "tls_error": CodeInfo(
        False,
        _NO,
        "The TLS connection failed, or the server's certificate was rejected.",
        "Check the endpoint or `caFile`.",
    ),
    "connection_lost": CodeInfo(
        True,
        _UNKNOWN,
        "The connection broke before the response was complete.",
        "Retry if being billed twice is acceptable.",
    ),
    "timeout": CodeInfo(
        True,
        _REJECTED,
        "The provider stopped waiting for the request (408).",
        "Retry, or send less.",
    ),
    "deadline_exceeded": CodeInfo(
        True, _ANY, "The action reached its own time limit.", "Raise the time limit, or send less."
    ),
    "protocol_error": CodeInfo(
        True,
        _UNKNOWN,
        "The response was not well-formed HTTP.",
        "Check the gateways between the connector and the provider.",
    ),
    "invalid_response": CodeInfo(
        False,
        _UNKNOWN,
        "The response is not what the action needs.",
        "Check the endpoint; the message quotes the start of the response.",
    ),
    "response_too_large": CodeInfo(
        False,
        _UNKNOWN,
        "The response is larger than the manifest allows.",
        "Ask for less, or write the result to a file.",
    ),
    "unexpected_redirect": CodeInfo(
        False,
        _REJECTED,
        "The server sent a redirect, which is never followed.",
        "Fix the endpoint.",
    ),
    "partial_failure": CodeInfo(
        False,
        _ANY,
        "Some items failed; `data` holds the others.",
        "Repeat only the items that have an error.",
    ),
    "cancelled": CodeInfo(
        True, _ANY, "The action was interrupted or never started.", "Run it again."
    ),
    "internal_error": CodeInfo(False, _ANY, "The connector has a defect.", "Report it."),
}
"""Every code of the contract; the manifest's page and the tests read this table."""


def table() -> list[dict[str, Any]]:
    """Return `CODES` as data: a list of `{"code", "retryable", "sent", "meaning", "remedy"}`."""
    return [{"code": code, **row._asdict(), "sent": [*row.sent]} for code, row in CODES.items()]
