"""The delay that a provider asks for before a retry."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DIGITS = re.compile(r"[0-9]{1,400}(\.[0-9]{1,40})?\Z")
_TEXT = r"(?i)(?:retry|try again) (?:after|in) ([0-9]{1,9}) ?(?:seconds?|s)\b"
_LONGEST_MS = 10**12


def requested_delay_ms(headers: Mapping[str, str], message: str, now: float) -> int | None:
    """Return the delay in milliseconds that a response asks for; None if it asks for none.

    It is taken from `retry-after-ms`, else from `retry-after` in seconds or as a date (relative to
    the response's own `Date` if there is one, else to `now`). If both headers are absent, it is
    taken from "retry after N seconds" in `message`. A malformed, zero or negative delay is ignored.
    """
    in_ms = _number(headers.get("retry-after-ms"))
    if in_ms:
        return min(_ceil(in_ms), _LONGEST_MS)
    after = headers.get("retry-after")
    seconds = _number(after)
    if seconds is None and after is not None:
        seconds = _until(after, headers.get("date"), now)
    if seconds is None and "retry-after-ms" not in headers and after is None:
        match = re.search(_TEXT, message)
        seconds = float(match.group(1)) if match else None
    if seconds is None or seconds <= 0:
        return None
    return min(_ceil(min(seconds, _LONGEST_MS) * 1000), _LONGEST_MS)


def _ceil(number: float) -> int:
    return int(-(-min(number, _LONGEST_MS) // 1))


def _number(text: str | None) -> float | None:
    """Return the number in a header, the largest if the header was sent several times."""
    parts = [part.strip(" \t") for part in (text or "").split(",")]
    return max(map(float, parts)) if all(map(_DIGITS.match, parts)) else None


def _until(after: str, date: str | None, now: float) -> float | None:
    then = _timestamp(after)
    if then is None:
        return None
    sent = _timestamp(date) if date else None
    return then - (now if sent is None else sent)


def _timestamp(text: str) -> float | None:
    import datetime  # here: only an error response has such a date
    import email.utils

    try:
        date = email.utils.parsedate_to_datetime(text)
        # The two older formats of HTTP dates have no time zone; they are in GMT too.
        return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
