"""The error that every layer raises, and the table of codes that it may carry.

Nothing here knows of HTTP, of a provider or of the manifest.
"""

import re
from collections.abc import Mapping, Sequence
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
    """What an error code means to the engine that receives it."""

    retryable: bool
    meaning: str
    remedy: str


CODES: Mapping[ErrorCode, CodeInfo] = {
    "invalid_payload": CodeInfo(
        False, "The payload is not a valid invocation object.", "Fix the payload."
    ),
    "unknown_action": CodeInfo(
        False, "The connector has no action with that key.", "Use a key from `connector describe`."
    ),
    "invalid_input": CodeInfo(
        False,
        "One or more inputs are invalid; `details` lists all of them.",
        "Fix the listed inputs.",
    ),
    "invalid_connection": CodeInfo(
        False,
        "The connection is incomplete or invalid; `details` lists every problem.",
        "Fix the connection.",
    ),
    "invalid_manifest": CodeInfo(
        False, "The manifest cannot be used.", "Run `connector check` and fix what it reports."
    ),
    "blocked_target": CodeInfo(
        False,
        "The request would go to a host or an address that is not allowed.",
        "Give a path only; check the endpoint.",
    ),
    "authentication_failed": CodeInfo(
        False,
        "The provider rejected the key.",
        "Check the key, its provider and its organization.",
    ),
    "permission_denied": CodeInfo(
        False, "The key is valid but may not do this.", "Check roles, network rules and region."
    ),
    "not_found": CodeInfo(
        False,
        "The model, deployment or path does not exist.",
        "Check the name of the model or deployment, and the path.",
    ),
    "bad_request": CodeInfo(
        False, "The provider rejected the request.", "Read `providerParam` and the message."
    ),
    "content_filtered": CodeInfo(
        False,
        "The provider's content policy rejected the text.",
        "Change the text or the content filter.",
    ),
    "rate_limited": CodeInfo(
        True,
        "There were too many requests or tokens within the provider's limits.",
        "Retry after `retryAfterMs`, or ask for a higher limit.",
    ),
    "quota_exhausted": CodeInfo(
        False,
        "The account has no credit left or has reached its spend limit.",
        "Add credit; do not retry.",
    ),
    "server_error": CodeInfo(True, "The provider failed.", "Retry later."),
    "connect_failed": CodeInfo(
        True,
        "No connection could be established; nothing was sent.",
        "Check the endpoint, DNS and the firewall.",
    ),
    "tls_error": CodeInfo(
        False,
        "The TLS connection failed, or the server's certificate was rejected.",
        "Check the endpoint or `caFile`.",
    ),
    "connection_lost": CodeInfo(
        True,
        "The connection broke before the response was complete.",
        "Retry if being billed twice is acceptable.",
    ),
    "timeout": CodeInfo(
        True, "The provider stopped waiting for the request (408).", "Retry, or send less."
    ),
    "deadline_exceeded": CodeInfo(
        True, "The action reached its own time limit.", "Raise the time limit, or send less."
    ),
    "protocol_error": CodeInfo(
        True,
        "The response was not well-formed HTTP.",
        "Check the gateways between the connector and the provider.",
    ),
    "invalid_response": CodeInfo(
        False,
        "The response is not what the action needs.",
        "Check the endpoint; the message quotes the start of the response.",
    ),
    "response_too_large": CodeInfo(
        False,
        "The response is larger than the manifest allows.",
        "Ask for less, or write the result to a file.",
    ),
    "unexpected_redirect": CodeInfo(
        False, "The server sent a redirect, which is never followed.", "Fix the endpoint."
    ),
    "partial_failure": CodeInfo(
        False,
        "Some items failed; `data` holds the others.",
        "Repeat only the items that have an error.",
    ),
    "cancelled": CodeInfo(True, "The action was interrupted or never started.", "Run it again."),
    "internal_error": CodeInfo(False, "The connector has a defect.", "Report it."),
}
"""Every code of the contract; the manifest's page and the tests read this table."""


def table() -> list[dict[str, Any]]:
    """Return `CODES` as data: a list of `{"code", "retryable", "meaning", "remedy"}`."""
    return [{"code": code, **row._asdict()} for code, row in CODES.items()]


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

    `sent` says whether the provider may have done (and billed) the work: `no` (nothing was sent,
    or it was rejected before any work), `rejected` (the provider responded with an error),
    `unknown`. `retryable` defaults to that of the code in `CODES`. `retry_after_ms` is in
    milliseconds, None if the provider asked for no delay. `details` lists every problem of a
    payload as `{"path", "input", "message"}`. `data` is what was finished before the failure, None
    if nothing was. `final` means that the provider forbids a retry, whatever a rule says.

    Errors with the same fields are equal. They pickle.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        sent: Sent = "no",
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
        self.code: ErrorCode = code
        self.message = message
        self.sent: Sent = sent
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

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return vars(other) == vars(self)

    def __hash__(self) -> int:
        # Code that handles exceptions keeps them in sets. The other fields may be unhashable.
        return hash((self.code, self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process hands the error to its parent: only the plain fields are pickled, never
        # a traceback, a cause or a request that could hold a key.
        return _rebuild, (dict(self.__dict__),)

    def to_dict(self) -> dict[str, Any]:
        """Return the `error` object of the envelope; unknown fields are left out."""
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


_PLAIN_NAME = re.compile(r"\w[\w .-]{0,23}\Z")
_MOST_DIGITS = 2
_LONGEST_PART = 100
_LONGEST_POINTER = 500


def is_plain(name: str) -> bool:
    """Whether `name` looks like a name, and not like a key that was given in its place."""
    return bool(_PLAIN_NAME.match(name)) and sum(map(str.isdigit, name)) <= _MOST_DIGITS


def quoted(name: str) -> str:
    """Return an unknown name as a sentence may quote it: in full, or only its length.

    It is never shortened: half a key would no longer be recognized and masked.
    """
    return repr(name) if is_plain(name) else f"of {len(name)} characters"


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer of `parts`, or of an enclosing value if it would be too long.

    A long part is replaced with its length, because each of many problems would repeat it.
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
    """Return the JSON pointer of an unknown name, before any key is known that could be masked."""
    return pointer(name if is_plain(name) else "***")


def problem(path: str, message: str, label: str | None = None) -> dict[str, str]:
    """Return one row of `details`.

    `path` is a JSON pointer, `label` that of the form, `message` a sentence without its subject.
    """
    row = {"path": path, "message": message}
    return {"path": path, "input": label, "message": message} if label else row


def refused(
    code: ErrorCode, problems: Sequence[Mapping[str, str]], hint: str | None = None
) -> ConnectorError:
    """Return the error of an invalid payload; its message gives the first problem and the count."""
    first = problems[0]
    where = first.get("input") or first["path"]
    _, part, inside = first["path"].partition("/inputs/")
    inside = inside.partition("/")[2]
    if part and inside and "input" in first:
        where = f"{where} ({inside})"  # many engines show the message but not the details
    message = f"{where}: {first['message']}"
    if len(problems) > 1:
        message += f" (and {len(problems) - 1} more, see details)"
    return ConnectorError(code, message, hint=hint, details=list(problems))
