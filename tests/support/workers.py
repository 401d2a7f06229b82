"""The threads of the connector that are still running."""

from __future__ import annotations

import sys
from typing import Any


def at_work() -> dict[int, str]:
    """Return the function that each thread was started for, by the thread's number."""
    found = {}
    for ident, frame in sys._current_frames().items():
        names = []
        at: Any = frame
        while at is not None:
            names.append(f"{at.f_globals.get('__name__')}.{at.f_code.co_name}")
            at = at.f_back
        if names[-1] == "connector.runtime.threads._guarded":
            found[ident] = names[-2] if len(names) > 1 else ""
    return found


def left_behind() -> list[str]:
    """Return what threads still do for an invocation; the watchdog serves all and is left out."""
    return [name for name in at_work().values() if name != "connector.policy.deadline._run"]
