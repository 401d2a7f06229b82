"""The rate limits that a response tells."""

from __future__ import annotations

from collections.abc import Mapping


def read(headers: Mapping[str, str]) -> dict[str, int] | None:
    """Return the limits, None where there are none."""
    return None
