"""The error that every layer raises, and the table of codes that it may carry.

Nothing here knows of HTTP, of a provider or of the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Code(NamedTuple):
    """What an error code means to the engine that receives it."""

    retryable: bool
    meaning: str
    remedy: str


CODES: Mapping[str, Code] = {
    "invalid_payload": Code(
        False, "The payload is not the JSON object that an invocation is.", "Mend the payload."
    ),
    "unknown_action": Code(
        False, "The connector has no action of that key.", "Use a key from `connector describe`."
    ),
    "invalid_input": Code(
        False, "One or more inputs were refused; `details` lists all.", "Mend the listed inputs."
    ),
    "invalid_connection": Code(
        False,
        "The connection lacks something or was refused; `details` lists all.",
        "Mend the connection.",
    ),
    "invalid_manifest": Code(
        False, "The manifest cannot be used.", "Run `connector check` and mend what it lists."
    ),
    "blocked_target": Code(
        False, "The request would have left the connection's own host.", "Give a path only."
    ),
    "authentication_failed": Code(
        False, "The provider refused the key.", "Check the key, its provider and its organization."
    ),
    "permission_denied": Code(
        False, "The key is good but may not do this.", "Check roles, network rules and region."
    ),
    "not_found": Code(
        False, "No such model, deployment or path.", "Check the model or deployment and the path."
    ),
    "bad_request": Code(
        False, "The provider refused the request.", "Read `providerParam` and the message."
    ),
    "content_filtered": Code(
        False, "The provider's content policy refused the text.", "Change the text or the filter."
    ),
    "rate_limited": Code(
        True, "Too many requests or tokens for now.", "Retry after `retryAfterMs`; ask for quota."
    ),
    "quota_exhausted": Code(
        False, "The account has no credit or its spend limit is reached.", "Top up; do not retry."
    ),
    "server_error": Code(True, "The provider failed.", "Retry later."),
    "connect_failed": Code(
        True, "No connection could be made; nothing was sent.", "Check endpoint, DNS and firewall."
    ),
    "tls_error": Code(
        False, "The server's certificate or TLS was refused.", "Check the endpoint or `caFile`."
    ),
    "connection_lost": Code(
        True,
        "The connection broke before the answer was complete.",
        "Retry if paying twice is fine.",
    ),
    "timeout": Code(True, "The provider gave up waiting (408).", "Retry; send less."),
    "deadline_exceeded": Code(
        True, "The action's own time ran out.", "Raise the time limit or send less."
    ),
    "protocol_error": Code(
        True,
        "The answer was not well-formed HTTP.",
        "Check gateways between here and the provider.",
    ),
    "invalid_response": Code(
        False, "The answer is not what the action needs.", "Check the endpoint; see the excerpt."
    ),
    "response_too_large": Code(
        False, "The answer is larger than the manifest allows.", "Ask for less, or use a file."
    ),
    "unexpected_redirect": Code(
        False, "The server answered with a redirect; it is never followed.", "Mend the endpoint."
    ),
    "partial_failure": Code(
        False, "Some items failed; `data` keeps the others.", "Repeat only the items with an error."
    ),
    "cancelled": Code(True, "The action was interrupted or not started.", "Run it again."),
    "internal_error": Code(False, "A defect in the connector.", "Report it."),
}
"""Every code of the contract; the manifest's page and the tests read this table."""

_OPTIONAL = {
    "httpStatus": "http_status",
    "retryAfterMs": "retry_after_ms",
    "providerCode": "provider_code",
    "providerParam": "provider_param",
    "requestId": "request_id",
    "hint": "hint",
    "details": "details",
}


class ConnectorError(Exception):
    """A failure with all that a caller needs to decide what to do next.

    `sent` says whether the provider may have done (and billed) the work: `no` (nothing left, or
    it was refused before), `rejected` (the provider answered with an error), `unknown`.
    `retryable` defaults to what the code's row in `CODES` says. `retry_after_ms` is in
    milliseconds; None where the provider quoted no delay. `details` lists every problem of a
    payload as `{"path", "input", "message"}`. `data` is what was finished before the failure, None
    where nothing was. `final` says that the provider forbids a retry, whatever a rule says.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        sent: str = "no",
        retryable: bool | None = None,
        http_status: int | None = None,
        retry_after_ms: int | None = None,
        provider_code: str | None = None,
        provider_param: str | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        details: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.sent = sent
        self.retryable = CODES[code].retryable if retryable is None else retryable
        self.http_status = http_status
        self.retry_after_ms = retry_after_ms
        self.provider_code = provider_code
        self.provider_param = provider_param
        self.request_id = request_id
        self.hint = hint
        self.details = details
        self.data: Any = None
        self.final = False

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process hands the error to its parent: only the plain fields travel, never a
        # traceback, a cause or a request that could carry a key.
        return _rebuild, (dict(self.__dict__),)

    def to_dict(self) -> dict[str, Any]:
        """Return the `error` object of the envelope; what is not known is left out."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "sent": self.sent,
        }
        for key, attribute in _OPTIONAL.items():
            value = getattr(self, attribute)
            if value is not None:
                error[key] = value
        return error


def _rebuild(fields: dict[str, Any]) -> ConnectorError:
    error = ConnectorError(fields["code"], fields["message"])
    error.__dict__.update(fields)
    return error


_PLAIN = re.compile(r"\w[\w .-]{0,23}\Z")
_MOST_DIGITS = 2
_LONGEST_PART = 100
_LONGEST_POINTER = 500


def is_plain(name: str) -> bool:
    """Whether `name` looks like one, and not like a key that was given in its place."""
    return bool(_PLAIN.match(name)) and sum(map(str.isdigit, name)) <= _MOST_DIGITS


def quoted(name: str) -> str:
    """Return how a sentence quotes a name that nobody knows: whole, or by its length only.

    It is never cut: half a key would no longer be recognised, and masked.
    """
    return repr(name) if is_plain(name) else f"of {len(name)} characters"


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer of `parts`, or of what encloses them where it would be long.

    A long part stands as its length: each of many problems repeats it.
    """
    result = ""
    for part in map(str, parts):
        if len(result) > _LONGEST_POINTER:
            return f"{result}/…"
        if len(part) > _LONGEST_PART:
            part = f"({len(part)} characters)"
        result += "/" + part.replace("~", "~0").replace("/", "~1")
    return result


def unknown(name: str) -> str:
    """Return the JSON pointer of a name that nobody knows, where no key is known to mask it by."""
    return pointer(name if is_plain(name) else "***")


def problem(path: str, message: str, label: str | None = None) -> dict[str, str]:
    """Return one row of `details`: a JSON pointer, the form's label where known, a sentence."""
    row = {"path": path, "message": message}
    return {"path": path, "input": label, "message": message} if label else row


def refused(
    code: str, problems: Sequence[Mapping[str, str]], hint: str | None = None
) -> ConnectorError:
    """Return the error of a refused payload: its message names the first problem and the count."""
    first = problems[0]
    where = first.get("input") or first["path"]
    _, part, inside = first["path"].partition("/inputs/")
    inside = inside.partition("/")[2]
    if part and inside and "input" in first:
        where = f"{where} ({inside})"  # many engines show the message and no details
    message = f"{where}: {first['message']}"
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more, see details)"
    return ConnectorError(code, message, hint=hint, details=list(problems))
