"""An event that an interrupt cannot break."""

from __future__ import annotations

import _thread
import contextlib

_LONGEST = 86_400.0
"""Seconds of one wait: what the system can count to differs."""


class Flag:
    """An event of the interpreter's own locks only.

    `threading.Event` takes its lock in Python code: an interrupt just then leaves it held, and
    whoever looks at the event next waits for ever.
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
        with contextlib.suppress(RuntimeError):  # open already
            self._gate.release()

    def wait(self, seconds: float) -> bool:
        """Wait until the flag is set, at most `seconds`; return whether it is."""
        if not self._is_set and self._gate.acquire(timeout=max(0.0, min(seconds, _LONGEST))):
            self._gate.release()
        return self._is_set
