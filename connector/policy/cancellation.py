"""Lets another thread end a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.policy.deadline import Deadline


class Cancellation:
    """Ends the calls that it was given to, from any thread and at any time.

    One may be given to several calls. A call that gets a cancelled one ends before it sends.
    """

    def __init__(self) -> None:
        # Without a lock, which an interrupt could leave held: each step is one of the interpreter.
        self._deadlines: set[Deadline] = set()
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """End the calls that are under way, and let none begin. Calling it again is harmless."""
        self._is_cancelled = True
        for deadline in list(self._deadlines):
            deadline.cancel()

    def attach(self, deadline: Deadline) -> None:
        """Let this end the call of `deadline`, until it is detached."""
        self._deadlines.add(deadline)
        if self._is_cancelled:  # after the call was added: none is missed
            deadline.cancel()

    def detach(self, deadline: Deadline) -> None:
        """Leave the call of `deadline` alone from now on."""
        self._deadlines.discard(deadline)
