"""Time and chance, so that tests can decide both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from connector.runtime.flag import Flag


def _sleep(seconds: float, cancelled: Flag) -> None:
    cancelled.wait(seconds)


def _random() -> float:
    import random  # only a retry needs chance

    return random.random()  # noqa: S311 - jitter, no secret


def _today() -> str:
    return time.strftime("%Y-%m-%d")


class Clock(NamedTuple):
    """Time and chance, so that tests can decide both.

    `sleep` takes seconds and the flag that ends it early; `today` is the date by which models
    have retired; `now` is in seconds since 1970.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float, Flag], None] = _sleep
    random: Callable[[], float] = _random
    today: Callable[[], str] = _today


SYSTEM_CLOCK = Clock()
