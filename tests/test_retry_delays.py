"""The delays before retries: exponential up to a cap, random in part, or fixed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest

from connector import ConnectorError
from connector.errors import ErrorCode
from connector.policy import pauses, retry
from connector.policy.budget import Budget
from connector.policy.context import Context
from connector.policy.limits import Backoff, Policies
from connector.policy.pauses import Pause
from tests.conftest import FakeClock

NO_RULE = retry.Rule(Backoff(2, 500, 8_000), lambda _: False)


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    pauses.clear()
    yield
    pauses.clear()


def failure(asked_ms: int | None = None, code: ErrorCode = "server_error") -> ConnectorError:
    status = {"server_error": 500, "rate_limited": 429}[code]
    return ConnectorError(code, "m", http_status=status, retry_after_ms=asked_ms)


def delays(rule: retry.Rule, chance: float, error: ConnectorError) -> list[float]:
    """The delays between attempts that all fail with `error`."""

    def attempt() -> NoReturn:
        raise error

    clock = FakeClock(chance)
    context = Context(Policies(), clock.clock())
    with pytest.raises(ConnectorError):
        retry.run(attempt, rule, context, Budget(500, 5), Pause(1, context))
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
    assert delays(retry.for_actions(backoff), chance, failure()) == expected


def test_a_fixed_delay_is_not_random() -> None:
    rule = retry.for_raw_request(
        Backoff(0, 200, 1_000, 0.2),
        max_retries=3,
        all_errors=False,
        delay_ms=1_500.0,
        exponential=False,
    )
    assert delays(rule, 0.5, failure()) == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("asked_ms", "expected"),
    [(400, [0.5, 1.0]), (700, [0.7, 1.0]), (120_000, [120.0, 120.0]), (120_001, [])],
)
def test_a_longer_delay_that_the_provider_asks_for(asked_ms: int, expected: list[float]) -> None:
    rule = retry.for_actions(Backoff(2, 500, 8_000))
    assert delays(rule, 1.0, failure(asked_ms)) == expected


def test_a_429_pauses_all_whether_it_is_retried_or_not() -> None:
    assert delays(NO_RULE, 1.0, failure(1_000, "rate_limited")) == []
    assert pauses.resume_at(1) > 0


@pytest.mark.parametrize("error", [failure(1_000), failure(120_001, "rate_limited")])
def test_other_errors_and_a_429_with_too_long_a_delay_pause_nothing(
    error: ConnectorError,
) -> None:
    assert delays(NO_RULE, 1.0, error) == []
    assert pauses.resume_at(1) == 0
