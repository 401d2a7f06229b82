"""Dictionaries that keep only their latest entries."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def make_room(kept: dict[K, V], most: int) -> list[V]:
    """Remove the oldest entries of `kept`, so that with one more it has at most `most`.

    Return the values that were removed. Thread-safe without a lock, which a fork could leave held:
    each step is a single operation of the interpreter. Entries that another thread removes first
    are ignored.
    """
    oldest = list(kept)[: max(0, len(kept) - most + 1)]
    removed = [kept.pop(key, None) for key in oldest]
    return [value for value in removed if value is not None]
