"""Counts the work that a function does and the memory it takes, which unlike time are the same on a
busy machine."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any


class Counted(str):
    """A text whose comparisons and hashes are calls, so that `calls` counts them."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def calls(function: Callable[..., Any], *arguments: Any, most: int = 5_000_000) -> int:
    """Return how many calls `function` makes, of Python's and of C's functions, until it returns
    or raises ValueError; more than `most` fail. What a single call of a C function does is not
    seen."""
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
    """Return the most bytes that a call to `function` holds at once."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_linear(function: Callable[..., Any], make: Callable[[int], Any], size: int) -> None:
    """Assert that doubled input does at most doubled work."""
    small, large = calls(function, make(size)), calls(function, make(2 * size))
    assert large <= 2.2 * small, (small, large)
