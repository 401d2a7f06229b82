"""The envelope that every invocation returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import ConnectorError


class Result:
    """What became of an invocation; truthy where it succeeded.

    `data` is None unless there is some: a failure may keep what was finished before it. `error`
    is None on success. `meta` is described in the contract: action, provider, attempts,
    durationMs, requestId, usage, warnings. Results pickle.
    """

    __slots__ = ("data", "error", "meta")

    def __init__(self, data: Any, error: ConnectorError | None, meta: Mapping[str, Any]) -> None:
        self.data = data
        self.error = error
        self.meta = meta

    @property
    def ok(self) -> bool:
        """Whether the whole of the work was done."""
        return self.error is None

    def __bool__(self) -> bool:
        return self.ok

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
