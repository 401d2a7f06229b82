"""Lets another thread end a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.policy.deadline import Deadline


class Cancellation:
    """Ends the calls that it was passed to, from any thread and at any time.

    It may be passed to several calls. If it was cancelled before, a call ends before it sends.
    """

    def __init__(self) -> None:
        # No lock, because an interrupt could leave it held. Each step is atomic in the interpreter.
        self._deadlines: set[Deadline] = set()
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """End the calls that are running and those that start later. It may be called again."""
        self._is_cancelled = True
        for deadline in list(self._deadlines):
            deadline.cancel()

    def attach(self, deadline: Deadline) -> None:
        """End the call of `deadline` on `cancel`, until it is detached."""
        self._deadlines.add(deadline)
        if self._is_cancelled:  # checked after the call was added, so that none is missed
            deadline.cancel()

    def detach(self, deadline: Deadline) -> None:
        """Stop ending the call of `deadline`."""
        self._deadlines.discard(deadline)
