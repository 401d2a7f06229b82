"""Reads a provider's rate limits from the headers of a response, which OpenAI and Azure share."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

_LONGEST_MS = 366 * 86_400_000
"""Anything longer is not a delay but, for example, a date in seconds since 1970."""

_COUNT = re.compile(r"[0-9]{1,15}\Z")
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_SECONDS = re.compile(rf"{_NUMBER}\Z")
_DURATION = re.compile(
    rf"(?:({_NUMBER})d)?(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?\Z"
)
_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1_000, 1)


def read(headers: Mapping[str, str]) -> dict[str, int] | None:
    """Return the limits that `headers` state; None if they state none.

    The keys are `limitRequests`, `remainingRequests`, `resetRequestsMs` and the same of `Tokens`,
    each absent if its header is absent or malformed. The names of `headers` are in lower case.
    """
    limits: dict[str, int] = {}
    for header, name, parse in _HEADERS:
        text = headers.get(header)
        if text is not None and (value := parse(text.strip(" \t"))) is not None:
            limits[name] = value
    return limits or None


def _count(text: str) -> int | None:
    return int(text) if _COUNT.match(text) else None


def _delay_ms(text: str) -> int | None:
    """Return a delay in milliseconds.

    OpenAI sends durations such as `6m0s` and `120ms`, Azure plain seconds.
    """
    if _SECONDS.match(text):
        milliseconds = float(text) * 1000
    elif text and (match := _DURATION.match(text)):
        milliseconds = sum(map(operator.mul, map(float, match.groups("0")), _UNITS_MS))
    else:
        return None
    return round(milliseconds) if milliseconds <= _LONGEST_MS else None


_HEADERS = (
    ("x-ratelimit-limit-requests", "limitRequests", _count),
    ("x-ratelimit-remaining-requests", "remainingRequests", _count),
    ("x-ratelimit-reset-requests", "resetRequestsMs", _delay_ms),
    ("x-ratelimit-limit-tokens", "limitTokens", _count),
    ("x-ratelimit-remaining-tokens", "remainingTokens", _count),
    ("x-ratelimit-reset-tokens", "resetTokensMs", _delay_ms),
)
