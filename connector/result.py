"""The result that every invocation returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

from connector.errors import ConnectorError


class Result:
    """The outcome of an invocation: a `Success` or a `Failure`. It is truthy on success.

    `data` is None if there is none; a failure may keep what was finished before it. `error` is
    None on success. `meta` is described in the contract: action, provider, attempts, durationMs,
    requestId, usage, warnings. Results with the same fields are equal. They can be pickled.
    """

    __slots__ = ("data", "error", "meta")

    data: Any
    error: ConnectorError | None
    meta: Mapping[str, Any]

    # Type checkers learn from the subclasses that there is an error exactly if `ok` is false.
    # mypy understands `if result.ok`; pyright needs `if result` or `if result.error is None`.
    @overload
    def __new__(cls, data: Any, error: None, meta: Mapping[str, Any]) -> Success: ...

    @overload
    def __new__(cls, data: Any, error: ConnectorError, meta: Mapping[str, Any]) -> Failure: ...

    def __new__(cls, data: Any, error: ConnectorError | None, meta: Mapping[str, Any]) -> Result:
        self = object.__new__(Success if error is None else Failure)
        self.data = data
        self.error = error  # type: ignore[assignment] # fits the class, see the line above
        self.meta = meta
        return self

    @property
    def ok(self) -> bool:
        """Whether all of the work was done."""
        return self.error is None

    def __bool__(self) -> bool:
        return self.ok

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        return (self.data, self.error, self.meta) == (other.data, other.error, other.meta)

    __hash__ = None  # type: ignore[assignment] # `data` and `meta` can change

    def __reduce__(self) -> tuple[Any, ...]:
        return Result, (self.data, self.error, self.meta)

    def __repr__(self) -> str:
        outcome = "ok" if self.error is None else self.error.code
        return f"<Result {self.meta.get('action')}: {outcome}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the envelope as strict JSON data."""
        if self.error is None:
            return {"ok": True, "data": self.data, "meta": self.meta}
        envelope: dict[str, Any] = {"ok": False, "error": self.error.to_dict(), "meta": self.meta}
        if self.data is not None:
            envelope["data"] = self.data
        return envelope


class Success(Result):
    """The result of an action that succeeded."""

    __slots__ = ()

    error: None

    @property
    def ok(self) -> Literal[True]:
        return True

    def __bool__(self) -> Literal[True]:
        return True


class Failure(Result):
    """The result of an action that failed, at least in part."""

    __slots__ = ()

    error: ConnectorError

    @property
    def ok(self) -> Literal[False]:
        return False

    def __bool__(self) -> Literal[False]:
        return False


def failed(error: ConnectorError, action: str | None = None) -> Result:
    """Return the result of an invocation that failed before its action started."""
    meta: dict[str, Any] = {
        "action": action,
        "provider": None,
        "attempts": 0,
        "durationMs": 0,
        "requestId": None,
        "usage": None,
        "warnings": [],
    }
    return Result(None, error, meta)
