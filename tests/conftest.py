"""What all tests share: a connector whose clock the test decides, and the offline provider."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from connector import Connector
from connector.policy import budget, deadline, pauses
from connector.policy.clock import Clock
from connector.runtime.flag import Flag
from connector.sandbox import Sandbox

# A busy machine is not a failure.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# A shell that starts the tests in the background lets them, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whatever umask the tests begin with: a connections file that a group may change is refused.
os.umask(0o022)

TODAY = "2026-11-23"
"""The day on which all tests run: models retire as time goes by."""


class FakeClock:
    """Real time for deadlines, noted sleeps that take none, fixed chance and date."""

    def __init__(self, chance: float = 1.0) -> None:
        self.sleeps: list[float] = []
        self.chance = chance
        self.passed = 0.0

    def monotonic(self) -> float:
        """Real time and the time slept: who slept long enough need not sleep again."""
        return time.monotonic() + sum(self.sleeps) + self.passed

    def expire(self) -> None:
        """Let every deadline be over now, for the watchdog too, whose own clock is the real one."""
        self.passed += 3600
        for attempt in list(deadline._watchdog._times):
            deadline._watchdog.watch(attempt, 0.0, lambda _: None)

    def sleep(self, seconds: float, cancelled: Flag) -> None:
        self.sleeps.append(seconds)

    def clock(self) -> Clock:
        return Clock(
            monotonic=self.monotonic,
            sleep=self.sleep,
            random=lambda: self.chance,
            today=lambda: TODAY,
        )


_SLOW = ("test_the_commands_show_every_action", "test_the_check_finds_no_problem")
"""Of the public suite, whose tests carry no marks of ours."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if getattr(item, "originalname", "") in _SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _fresh_process_state() -> None:
    """Forget the budgets and pauses of other tests: a port may have served one of them."""
    budget.clear()
    pauses.clear()


@pytest.fixture
def no_gc_callbacks() -> Iterator[None]:
    """Remove the callbacks that Hypothesis adds to the garbage collector: an exception that a test
    raises into a thread is lost if it arrives in one of them."""
    before = [*gc.callbacks]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = before


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def connector(fake_clock: FakeClock) -> Iterator[Connector]:
    """The bundled connector; retries wait no time, `fake_clock.sleeps` notes what they would."""
    made = Connector.load(clock=fake_clock.clock())
    yield made
    made.close()


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    models: dict[str, Any] = Connector.load().describe()["models"]
    with Sandbox(models) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """The offline provider, with nothing received yet."""
    running_sandbox.reset()
    return running_sandbox
