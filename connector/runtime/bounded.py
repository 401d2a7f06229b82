"""Room in a dictionary that keeps only its latest entries."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def make_room(kept: dict[K, V], most: int) -> list[V]:
    """Take the oldest entries out of `kept` until one more makes `most`, and return them.

    Safe in threads without a lock, and so across fork: each step is a single one of the
    interpreter's own, and what another thread took first is passed over.
    """
    oldest = list(kept)[: max(0, len(kept) - most + 1)]
    taken = [kept.pop(key, None) for key in oldest]
    return [value for value in taken if value is not None]
