"""The error that every layer raises; `error_codes` has the codes that it may carry.

Nothing here knows of HTTP, of a provider or of the manifest.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.error_codes import CODES as CODES
from connector.error_codes import ErrorCode as ErrorCode
from connector.error_codes import Sent as Sent

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
