"""The known name that an unknown one is nearest to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_MOST_SUGGESTED = 10
_LONGEST_SUGGESTED = 100


def suggester() -> Callable[[str, Iterable[str]], str]:
    """Return `nearest` for the first few unknown names of a payload: it compares letter by letter,
    which thousands of names would pay for dearly."""
    left = iter(range(_MOST_SUGGESTED))
    return lambda name, known: nearest(name, known) if next(left, None) is not None else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or nothing."""
    if len(name) > _LONGEST_SUGGESTED:
        return ""
    import difflib

    folded = {str(key).lower(): key for key in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""
