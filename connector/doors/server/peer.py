"""What the protocol and the call of one request know of each other."""

from __future__ import annotations

from typing import Any

from connector.policy.cancellation import Cancellation

_KEY = "connector.peer"


class Peer:
    """The client of one request. Belongs to the event loop's thread.

    The protocol says when the client has gone away and when the server stops; the call says how it
    can be ended.
    """

    def __init__(self) -> None:
        self.is_gone = False
        self._cancel: Cancellation | None = None

    def attach(self, cancel: Cancellation) -> None:
        """End a call by `cancel` once the client goes away; now, if it already has."""
        self._cancel = cancel
        if self.is_gone:
            cancel.cancel()

    def leave(self) -> None:
        """Say that the client has gone away."""
        self.is_gone = True
        self.end_call()

    def end_call(self) -> bool:
        """Cancel the call, and return whether there was one."""
        if self._cancel is None:
            return False
        self._cancel.cancel()
        return True


def peer_of(scope: Any) -> Peer:
    """Return the peer of a request."""
    found: Peer = scope.setdefault(_KEY, Peer())
    return found
