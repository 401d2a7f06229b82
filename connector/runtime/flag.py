"""An event that stays usable after an interrupt."""

from __future__ import annotations

import _thread
import contextlib

_LONGEST = 86_400.0
"""Seconds of one wait. The longest timeout that a system accepts differs between systems."""


class Flag:
    """An event that uses only the interpreter's own locks.

    `threading.Event` takes its lock in Python code: an interrupt at that moment leaves it held, and
    the next thread that uses the event waits forever.
    """

    __slots__ = ("_gate", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._gate = _thread.allocate_lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        with contextlib.suppress(RuntimeError):  # already set
            self._gate.release()

    def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds` until the flag is set; return whether it is set."""
        if not self._is_set and self._gate.acquire(timeout=max(0.0, min(seconds, _LONGEST))):
            self._gate.release()
        return self._is_set
