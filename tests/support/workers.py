"""The threads that the connector has started and that have not ended."""

from __future__ import annotations

import sys
from typing import Any


def at_work() -> dict[int, str]:
    """What each of them does, by its number: the function that it was started for."""
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
    """What is still done for an invocation: the watchdog is not counted, which serves all."""
    return [name for name in at_work().values() if name != "connector.policy.deadline._run"]
