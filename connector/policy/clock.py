"""Time and randomness, which tests replace."""

import time
from collections.abc import Callable
from typing import NamedTuple

from connector.runtime.flag import Flag


def _sleep(seconds: float, cancelled: Flag) -> None:
    cancelled.wait(seconds)


def _random() -> float:
    import random  # here: only a retry needs it

    return random.random()  # noqa: S311 - for jitter, not for secrets


def _today() -> str:
    return time.strftime("%Y-%m-%d")


class Clock(NamedTuple):
    """Time and randomness, which tests replace.

    `now` is in seconds since 1970. `sleep` takes seconds, and a flag that ends it early. `random`
    returns a number from 0 to 1. `today` is an ISO date, which decides which models have retired.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float, Flag], None] = _sleep
    random: Callable[[], float] = _random
    today: Callable[[], str] = _today


SYSTEM_CLOCK = Clock()
