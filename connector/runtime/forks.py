"""What a child forgets of its parent after a fork, on systems that have one."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_child(forget: Callable[[], object]) -> None:
    """Call `forget` in each process that is forked from this one."""
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=forget)
