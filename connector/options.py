"""The options of an invocation."""

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from connector.policy.cancellation import Cancellation
from connector.policy.throttle import Throttle
from connector.problems import problem


class Options(NamedTuple):
    """What a caller may say about an invocation besides its payload; see `Connector.invoke`."""

    dry_run: bool = False
    output: str | os.PathLike[str] | None = None
    progress: Callable[[int, int], None] | None = None
    timeout_ms: float | None = None
    max_retries: int | None = None
    cancel: Cancellation | None = None
    emit: Callable[[dict[str, Any]], None] | None = None
    throttle: Throttle | None = None

    def problems(self) -> list[dict[str, str]]:
        """Return the problems of the options."""
        rows = []
        if self.output is not None and not _is_path(self.output):
            rows.append(problem("/output", "must be a path: a str or a pathlib.Path"))
        if self.progress is not None and not callable(self.progress):
            rows.append(problem("/progress", "must be a function that takes (finished, all)"))
        if self.timeout_ms is not None and not _is_number(self.timeout_ms, 1):
            rows.append(problem("/timeout_ms", "must be a number of milliseconds, at least 1"))
        if self.max_retries is not None and not (
            _is_number(self.max_retries, 0) and self.max_retries == int(self.max_retries)
        ):
            rows.append(problem("/max_retries", "must be a whole number, at least 0"))
        if not isinstance(self.cancel, Cancellation | None):
            rows.append(problem("/cancel", "must be a Cancellation"))
        return rows


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str)


def _is_number(value: Any, least: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value) and value >= least
    except OverflowError:  # an integer that no float can represent
        return False
