"""The retry budget of each host, which all actions of a process share.

As in botocore's standard retry mode, it is a bucket of tokens. A retry takes tokens and a success
returns some, so that an outage does not multiply the traffic.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable

from connector.runtime import forks
from connector.runtime.bounded import make_room


class Budget:
    """A bucket of `capacity` tokens. A retry costs `cost` tokens. Thread-safe."""

    def __init__(self, capacity: int, cost: int) -> None:
        self.capacity = capacity
        self.cost = cost
        self.tokens = capacity
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take the tokens for one retry; return False if there are too few."""
        with self._lock:
            if self.tokens < self.cost:
                return False
            self.tokens -= self.cost
            return True

    def give(self, retried: bool) -> None:
        """Return tokens for a success: what its last retry cost, or one if there was no retry."""
        if self.tokens < self.capacity:
            with self._lock:
                back = self.cost if retried else 1
                self.tokens = min(self.capacity, self.tokens + back)


_MAX_HOSTS = 256
_budgets: dict[Hashable, Budget] = {}


def shared(origin: Hashable, capacity: int, cost: int) -> Budget:
    """Return the process's budget for the host at `origin`, its scheme, name and port."""
    budget = _budgets.get(origin)
    if budget is None:
        make_room(_budgets, _MAX_HOSTS)
        budget = _budgets.setdefault(origin, Budget(capacity, cost))
    return budget


def clear() -> None:
    """Forget all budgets."""
    _budgets.clear()


forks.in_child(clear)
