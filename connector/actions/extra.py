"""Extra Parameters: parameters that a user adds to the body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.problems import error_of, problem


def merge(
    body: dict[str, Any], extra: Mapping[str, Any] | None, owned: Mapping[str, str]
) -> dict[str, Any]:
    """Return `body` with `extra` added.

    Raises ConnectorError `invalid_input` for the `problems` of `extra`.
    """
    if found := problems(extra, owned):
        raise error_of("invalid_input", found)
    return {**body, **extra} if extra else body


def problems(extra: Mapping[str, Any] | None, owned: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what is wrong with `extra`: it names a parameter that the action sets itself, or asks
    for a stream, since an action returns whole responses.

    `owned` maps each such parameter to the label of the input that sets it.
    """
    found = [
        problem(
            f"/inputs/extraParameters/{name}",
            f"is set by {owned[name]}; leave it out here",
            "Extra Parameters",
        )
        for name in extra or {}
        if name in owned
    ]
    if extra and extra.get("stream"):
        row = problem(
            "/inputs/extraParameters/stream", "is not supported; leave it out", "Extra Parameters"
        )
        found.append(row)
    return found
