"""The delays before retries: exponential up to a cap, random in part, or fixed."""

from __future__ import annotations

from typing import NoReturn

import pytest

from connector import ConnectorError
from connector.policy import retry
from connector.policy.budget import Budget
from connector.policy.context import Context
from connector.policy.limits import Backoff, Policies
from tests.conftest import FakeClock

pytestmark = pytest.mark.core


def delays(rule: retry.Rule, chance: float, retry_after_ms: int | None = None) -> list[float]:
    """The delays between attempts that all fail."""

    def attempt() -> NoReturn:
        raise ConnectorError("server_error", "m", http_status=500, retry_after_ms=retry_after_ms)

    clock = FakeClock(chance)
    context = Context(Policies(), clock.clock())
    with pytest.raises(ConnectorError):
        retry.run(attempt, rule, context, Budget(500, 5))
    return [round(delay, 6) for delay in clock.sleeps]


@pytest.mark.parametrize(
    ("backoff", "chance", "expected"),
    [
        (Backoff(6, 500, 3_000), 1.0, [0.5, 1, 2, 3, 3, 3]),
        (Backoff(6, 500, 3_000), 0.5, [0.25, 0.5, 1, 1.5, 1.5, 1.5]),
        (Backoff(3, 500, 3_000), 0.0, [0, 0, 0]),
        (Backoff(5, 200, 1_000, 0.2), 0.5, [0.22, 0.44, 0.88, 1.1, 1.1]),
        (Backoff(2, 200, 1_000, 0.2), 0.0, [0.2, 0.4]),
        (Backoff(2, 200, 1_000, 0.0), 1.0, [0.2, 0.4]),
        (Backoff(1, 200, 1_000), 1.0, [0.2]),
        (Backoff(0, 200, 1_000), 1.0, []),
    ],
)
def test_exponential_delays(backoff: Backoff, chance: float, expected: list[float]) -> None:
    assert delays(retry.for_actions(backoff), chance) == expected


def test_a_fixed_delay_is_not_random() -> None:
    rule = retry.for_raw_request(
        Backoff(0, 200, 1_000, 0.2),
        max_retries=3,
        all_errors=False,
        delay_ms=1_500.0,
        exponential=False,
    )
    assert delays(rule, 0.5) == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("asked_ms", "expected"),
    [(400, [0.5, 1.0]), (700, [0.7, 1.0]), (120_000, [120.0, 120.0]), (120_001, [])],
)
def test_a_longer_delay_that_the_provider_asks_for(asked_ms: int, expected: list[float]) -> None:
    rule = retry.for_actions(Backoff(2, 500, 8_000))
    assert delays(rule, 1.0, asked_ms) == expected
