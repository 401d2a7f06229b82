"""Suggests the known name that is nearest to an unknown one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_MOST_SUGGESTED = 10
_LONGEST_SUGGESTED = 100


def suggester() -> Callable[[str, Iterable[str]], str]:
    """Return `nearest` for the first few unknown names of a payload, and "" for the others.

    The comparison is slow: a payload may have thousands of unknown names.
    """
    left = iter(range(_MOST_SUGGESTED))
    return lambda name, known: nearest(name, known) if next(left, None) is not None else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or ""."""
    if len(name) > _LONGEST_SUGGESTED:
        return ""
    import difflib

    folded = {str(key).lower(): key for key in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
