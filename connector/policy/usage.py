"""Adds up the usage objects of several responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_COUNTS = 64
"""The most members of one object; providers send about a dozen."""


def add_up(total: Mapping[str, Any], more: Mapping[str, Any], nested: int = 2) -> dict[str, Any]:
    """Return the sum of two usage objects, including `nested` levels of objects inside them.

    New names beyond _MOST_COUNTS are left out, because thousands of responses may be added up.
    """
    result = dict(total)
    for key, value in more.items():
        old = result.get(key)
        if old is None and len(result) >= _MOST_COUNTS:
            continue
        if isinstance(value, dict) and nested:
            result[key] = add_up(old if isinstance(old, dict) else {}, value, nested - 1)
        elif _is_count(value):
            result[key] = value + (old if _is_count(old) else 0)
    return result


def _is_count(value: Any) -> bool:
    """Whether `value` can be added up. Greater numbers might not be exact in JSON."""
    return type(value) in (int, float) and 0 <= value < 2**53
