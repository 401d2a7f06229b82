"""The pauses that providers ask for with a 429, shared by all invocations of the process.

Invocations that go to the same endpoint with the same key and model share one limit of the
provider, so a pause of one holds back all of them.
"""

from __future__ import annotations

import bisect
from collections.abc import Hashable

from connector.errors import ConnectorError
from connector.policy.context import Context
from connector.runtime import forks
from connector.runtime.bounded import make_room
from connector.text.secrets import Secret

_MOST_KEYS = 256

_times: dict[int, list[float]] = {}
"""The end of each pause. A list is sorted and never empty: its last item is the pause, any other is
about to be removed."""


def key_of(endpoint: Hashable, secret: Secret, model: str | None) -> int:
    """Return what the invocations that share a pause have in common, as a hash of this process.

    It does not reveal the secret, and it is short even if the model's name is not.
    """
    return hash((endpoint, secret, model))


def pause(key: int, until: float) -> None:
    """Let no attempt with this key start before the monotonic time `until`, in seconds.

    A pause never shortens an earlier one.
    """
    # No lock, because an interrupt or a fork could leave it held. Each step is atomic in the
    # interpreter, and whatever other threads do in between, the latest time stays at the end.
    times = _times.get(key)
    if times is None:
        make_room(_times, _MOST_KEYS)
        times = _times.setdefault(key, [until])
    bisect.insort(times, until)
    del times[:-1]


def resume_at(key: int) -> float:
    """Return the monotonic time until which attempts with this key pause, 0 if they never did."""
    times = _times.get(key)
    return times[-1] if times else 0.0


class Pause:
    """The pause of one invocation's requests to one endpoint with one key and model."""

    def __init__(self, key: int, context: Context) -> None:
        self._key = key
        self._context = context

    def begin(self, seconds: float) -> None:
        """Let no attempt start for `seconds`, in any invocation of the process."""
        pause(self._key, self._context.clock.monotonic() + seconds)

    def wait(self) -> None:
        """Wait until the pause is over.

        Raises ConnectorError `rate_limited` if the action's time would end first.
        """
        context = self._context
        while (seconds := resume_at(self._key) - context.clock.monotonic()) > 0:
            if seconds >= context.deadline.remaining() > 0:
                raise ConnectorError(
                    "rate_limited",
                    "The provider asked to wait for longer than the action may take.",
                    retry_after_ms=round(seconds * 1000),
                )
            context.wait(seconds)


def clear() -> None:
    """Forget all pauses."""
    _times.clear()


forks.in_child(clear)
