"""The pauses that providers ask for with a 429, shared by all invocations of the process.

Invocations that go to the same endpoint with the same key and model share one limit of the
provider, so a pause of one holds back all of them.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Hashable

from connector.runtime import forks
from connector.runtime.bounded import make_room
from connector.text.secrets import Secret

_MOST_KEYS = 256
_SALT = os.urandom(16)

_times: dict[bytes, list[float]] = {}
"""The end of each pause. A list is sorted and never empty: its last item is the pause, any other is
about to be removed."""


def key_of(endpoint: Hashable, secret: Secret, model: str | None) -> bytes:
    """Return what the invocations that share a pause have in common, as a salted digest.

    It does not reveal the secret, and it is short even if the model's name is not.
    """
    import hashlib  # here: a command that sends nothing does not need it

    # In one expression: tracebacks show local variables.
    return hashlib.blake2b(
        repr((endpoint, secret.reveal(), model)).encode(), key=_SALT, digest_size=16
    ).digest()


def pause(key: bytes, until: float) -> None:
    """Let nothing with this key begin before the monotonic time `until`, in seconds.

    A pause never shortens an earlier one.
    """
    # Without a lock, which an interrupt or a fork could leave held: each step is a single operation
    # of the interpreter. Whatever other threads do in between, the latest time stays at the end.
    times = _times.get(key)
    if times is None:
        make_room(_times, _MOST_KEYS)
        times = _times.setdefault(key, [until])
    bisect.insort(times, until)
    del times[:-1]


def resume_at(key: bytes) -> float:
    """Return the monotonic time until which attempts with this key pause, 0 if they never did."""
    times = _times.get(key)
    return times[-1] if times else 0.0


forks.in_child(_times.clear)
