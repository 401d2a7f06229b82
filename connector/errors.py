"""The error that every layer raises; `error_codes` has its codes.

Nothing here knows about HTTP, providers or the manifest.
"""

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
    """A failure, with everything that a caller needs to decide what to do next.

    `sent` says whether the provider may have done (and billed) the work: `no` (nothing was sent,
    or it was rejected before any work), `rejected` (the provider responded with an error),
    `unknown`. `retryable` defaults to that of the code in `CODES`. `retry_after_ms` is in
    milliseconds, None if the provider asked for no delay. `details` lists every problem of a
    payload as `{"path", "input", "message"}`. `data` is what was finished before the failure, None
    if nothing was. `final` means that the provider forbids a retry, whatever a rule says.

    Errors with the same fields are equal. They can be pickled.
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
        """Return the `error` object of the envelope; fields without a value are left out."""
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
