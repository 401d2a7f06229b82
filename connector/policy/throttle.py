"""What paces the attempts of invocations, if the caller gives it; the bulk door has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from connector.errors import ConnectorError


class Throttle(Protocol):
    """Decides when each attempt of an invocation may start. Safe in threads."""

    def begin(self, size: int, wait: Callable[[float], object]) -> None:
        """Return when an attempt whose body has `size` bytes may start.

        `wait` sleeps for some seconds; it raises ConnectorError if the invocation must end.
        """

    def end(self, headers: Mapping[str, str], error: ConnectorError | None) -> None:
        """Learn from a response: its headers, and its error if it is one."""
