"""What a forked child discards of its parent's state, on systems that can fork."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(discard: Callable[[], object]) -> None:
    """Call `discard` in every process that is forked from this one."""
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=discard)


_generation = 0


def generation() -> int:
    """Return how many forks led to this process; it differs between a child and its parents.

    Unlike the process's identifier, it costs no system call.
    """
    return _generation


def _count() -> None:
    global _generation
    _generation += 1


in_child(_count)
