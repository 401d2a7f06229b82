"""Counts the calls and the memory of a function, which unlike time do not depend on the load of the
machine."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any


class Counted(str):
    """A string whose comparisons and hashes are Python calls, so that `calls` counts them."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def calls(function: Callable[..., Any], *arguments: Any, most: int = 5_000_000) -> int:
    """Return how many calls `function` makes until it returns or raises ValueError.

    Calls of Python and C functions count, not the work inside a C function. More than `most` calls
    fail.
    """
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")
        if count > most:
            raise AssertionError(f"more than {most} calls")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*arguments)
    except ValueError:
        pass
    finally:
        sys.setprofile(before)
    return count


def memory(function: Callable[[], object]) -> int:
    """Return the peak memory of a call to `function`, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_linear(function: Callable[..., Any], make: Callable[[int], Any], size: int) -> None:
    """Assert that double the input needs at most about double the work."""
    small, large = calls(function, make(size)), calls(function, make(2 * size))
    assert large <= 2.2 * small, (small, large)
