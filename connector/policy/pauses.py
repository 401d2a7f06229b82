"""The pauses that providers ask for with a 429, shared by all invocations of the process."""

from __future__ import annotations

from collections.abc import Hashable

from connector.errors import ConnectorError
from connector.policy.context import Context
from connector.runtime import forks
from connector.runtime.bounded import make_room

_MOST = 1024
_resume_at: dict[Hashable, float] = {}


class Pause:
    """The pause of what goes to one endpoint with one key and model, as an invocation sees it.

    `key` is the same for the same endpoint, credentials and model; it holds no secret. Safe in
    threads without a lock: of two pauses that begin at once the later call may win, and a 429
    that follows sets it right.
    """

    def __init__(self, key: Hashable, context: Context) -> None:
        self._key = key
        self._context = context

    def begin(self, seconds: float) -> None:
        """Let no attempt begin for `seconds`, in no invocation; a longer pause stays."""
        until = self._context.clock.monotonic() + seconds
        if until > _resume_at.get(self._key, 0.0):
            make_room(_resume_at, _MOST)
            _resume_at[self._key] = until

    def wait(self) -> None:
        """Return when the pause is over.

        Raises ConnectorError `rate_limited` where the action's time would be over before.
        """
        context = self._context
        while (wait := _resume_at.get(self._key, 0.0) - context.clock.monotonic()) > 0:
            if wait >= context.deadline.remaining() > 0:
                raise ConnectorError(
                    "rate_limited",
                    "The provider asked to wait for longer than the action may take.",
                    retry_after_ms=round(wait * 1000),
                )
            context.wait(wait)


def clear() -> None:
    """Forget all pauses."""
    _resume_at.clear()


forks.in_child(clear)
