"""The time that one action may take, and the watchdog that ends what overruns it.

A socket's own timeout is per read: a server that drips a byte a second never trips it. The
watchdog hangs up from outside, whatever the reader waits for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

Monotonic = Callable[[], float]


class Guarded(Protocol):
    """What a deadline ends: one attempt. Told from another thread, at any moment."""

    def hang_up(self) -> None: ...


class Deadline:
    """When an action must be over, and whether it was cancelled before.

    Thread-safe. `seconds` counts from now.
    """

    def __init__(self, seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._start = monotonic()
        self.at = self._start + seconds
        self.cancelled = threading.Event()
        self._open: set[Guarded] = set()

    def remaining(self) -> float:
        """Return the seconds left, 0 or less where there are none."""
        return self.at - self._monotonic()

    def limit(self, seconds: float) -> None:
        """Let the action take `seconds` in all, counted from its beginning."""
        self.at = self._start + seconds

    def cancel(self) -> None:
        """End every attempt that is under way, and let none begin."""
        self.cancelled.set()
        for attempt in list(self._open):
            attempt.hang_up()

    def attach(self, attempt: Guarded) -> None:
        """Let the deadline end `attempt`, until it is detached."""
        self._open.add(attempt)
        _watchdog.watch(attempt, time.monotonic() + self.remaining())
        if self.cancelled.is_set():
            attempt.hang_up()

    def detach(self, attempt: Guarded) -> bool:
        """Leave `attempt` alone from now on; False where it is too late for that."""
        self._open.discard(attempt)
        return _watchdog.forget(attempt) and not self.cancelled.is_set()


class _Watchdog:
    """One thread a process that hangs up attempts whose time is over."""

    def __init__(self) -> None:
        self._times: dict[Guarded, float] = {}
        self._wake = threading.Condition()
        self._next = float("inf")
        self._running = False

    def watch(self, attempt: Guarded, at: float) -> None:
        with self._wake:
            self._times[attempt] = at
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="connector-watchdog", daemon=True).start()
            elif at < self._next:
                self._wake.notify()

    def forget(self, attempt: Guarded) -> bool:
        """Stop watching; False where the thread has taken `attempt` already, to hang it up."""
        # Without the lock: one atomic step, and the thread copes with what it finds.
        return self._times.pop(attempt, None) is not None

    def _run(self) -> None:
        while True:
            with self._wake:
                now = time.monotonic()
                over = [attempt for attempt, at in list(self._times.items()) if at <= now]
                due = [attempt for attempt in over if self.forget(attempt)]
                self._next = min(list(self._times.values()), default=float("inf"))
                if not over:
                    # A thread with nothing to watch ends after a while; watch() starts another.
                    idle = self._next == float("inf")
                    woken = self._wake.wait(60 if idle else max(0.0, self._next - now))
                    if idle and not woken and not self._times:
                        self._running = False
                        return
            for attempt in due:
                attempt.hang_up()


_watchdog = _Watchdog()


def _after_fork() -> None:
    # The child has the lock as it was but not the thread that would release it.
    global _watchdog
    _watchdog = _Watchdog()


os.register_at_fork(after_in_child=_after_fork)
