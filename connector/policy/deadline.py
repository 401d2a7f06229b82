"""The time that one action may take, and the watchdog that ends attempts which take longer.

A socket's own timeout is per read: a server that sends a byte a second never triggers it. The
watchdog shuts the socket down from outside, whatever the reader waits for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from connector.errors import ConnectorError, Sent
from connector.runtime import forks, threads
from connector.runtime.flag import Flag

Monotonic = Callable[[], float]

_IDLE = 2.0
"""Seconds without anything to watch after which the watchdog's thread ends."""


class Guarded(Protocol):
    """One attempt, which a deadline can end from another thread at any moment."""

    def hang_up(self) -> None: ...


class Deadline:
    """When an action must end, and whether it was cancelled before.

    Thread-safe. `seconds` counts from now.
    """

    def __init__(self, seconds: float, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._start = monotonic()
        self.at = self._start + seconds
        self.cancelled = Flag()
        self.ended_by: BaseException | None = None
        self._open: set[Guarded] = set()

    def remaining(self) -> float:
        """Return the seconds left, 0 or less if the time is over."""
        return self.at - self._monotonic()

    def check(self, when: str = "", sent: Sent = "no") -> None:
        """Raise ConnectorError `cancelled` or `deadline_exceeded` once the action is over.

        `when` ends the sentence, as in "while connecting".
        """
        if self.cancelled.is_set():
            raise ConnectorError("cancelled", "The action was interrupted.", sent=sent)
        if self.remaining() <= 0:
            message = f"The action's time was over {when}".rstrip()
            raise ConnectorError("deadline_exceeded", f"{message}.", sent=sent)

    def limit(self, seconds: float) -> None:
        """Limit the whole action to `seconds`, counted from its start."""
        self.at = self._start + seconds

    def cancel(self) -> None:
        """End every attempt, and let none start."""
        self.cancelled.set()
        for attempt in list(self._open):
            attempt.hang_up()

    def end(self, by: BaseException) -> None:
        """Cancel because of `by`: an interrupt, or an engine's exception, which takes precedence.

        Its references are dropped so that tracebacks show no key.
        """
        for name in ("__traceback__", "__context__", "__cause__"):
            BaseException.__setattr__(by, name, None)  # the class of the exception may forbid it
        if self.ended_by is None or isinstance(self.ended_by, KeyboardInterrupt):
            self.ended_by = by
        self.cancel()

    def attach(self, attempt: Guarded) -> None:
        """End `attempt` at the deadline, until it is detached."""
        self._open.add(attempt)
        _watchdog.watch(attempt, time.monotonic() + self.remaining(), self.end)
        if self.cancelled.is_set():
            attempt.hang_up()

    def limit_wait(self, attempt: Guarded, seconds: float) -> None:
        """End an attached attempt after `seconds` from now, if the deadline is not earlier."""
        _watchdog.watch(attempt, time.monotonic() + min(seconds, self.remaining()), self.end)
        if self.cancelled.is_set():
            attempt.hang_up()

    def detach(self, attempt: Guarded) -> bool:
        """Stop watching `attempt`. Return False if it is being ended already."""
        in_time = _watchdog.forget(attempt)
        self._open.discard(attempt)  # last, so that `release` finds what an interrupt leaves
        return in_time and not self.cancelled.is_set()

    def release(self) -> None:
        """Stop watching attempts that an interrupt left attached, after all have ended."""
        for attempt in list(self._open):
            attempt.hang_up()
            self.detach(attempt)


class _Watchdog:
    """One thread for each process, which ends attempts whose time is over.

    It uses no lock, because an exception raised into a thread could leave it held. Each change to
    shared data is atomic in the interpreter.
    """

    def __init__(self) -> None:
        self._times: dict[Guarded, float] = {}
        self._wake = Flag()
        self._next = float("inf")
        self._alive: Callable[[], object] = lambda: None

    def watch(self, attempt: Guarded, at: float, stray: threads.Stray) -> None:
        self._times[attempt] = at
        if self._alive() is None:
            self._start(stray)
        elif at < self._next:
            self._wake.set()

    def forget(self, attempt: Guarded) -> bool:
        """Stop watching. Return False if the thread has already taken `attempt` to end it."""
        return self._times.pop(attempt, None) is not None

    def _start(self, stray: threads.Stray) -> None:
        # Without a thread, only the timeouts of the sockets remain.
        with contextlib.suppress(RuntimeError):
            self._alive = threads.start(self._run, self._ended, stray)

    def _ended(self, _: object) -> None:
        """Start another thread if one ended too early. A second one is harmless."""
        if self._times:
            self._start(lambda _: None)

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            # In this order, so that a thread that adds a time later knows it must wake this one.
            self._wake = wake = Flag()
            self._next = float("inf")
            now = time.monotonic()
            over = [attempt for attempt, at in list(self._times.items()) if at <= now]
            for attempt in over:
                if self.forget(attempt):
                    attempt.hang_up()
            if over or self._times:
                idle_since = now
            elif now - idle_since >= _IDLE:
                return  # watch() starts another
            self._next = min(list(self._times.values()), default=now + _IDLE)
            if not over:
                # In short waits: Python 3.11 busy-loops while it traces and an exception is pending
                # for this thread, until the thread wakes.
                wake.wait(min(self._next - now, _IDLE))


_watchdog = _Watchdog()


def _after_fork() -> None:
    # The child has no such thread, and the attempts belong to the parent.
    global _watchdog
    _watchdog = _Watchdog()


forks.in_child(_after_fork)
