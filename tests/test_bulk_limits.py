"""The limits of a bulk run: the provider's are used and hardly exceeded, a user's never."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from connector import Connector
from connector.doors.bulk.limits import Limiter, Turn
from connector.doors.bulk.runner import Job, Runner
from connector.doors.bulk.store import Store
from connector.errors import ConnectorError
from connector.policy.clock import Clock
from connector.result import Result, failed
from connector.sandbox import Sandbox
from connector.sandbox.rate_limits import RateLimits
from connector.sandbox.responses import ErrorResponse, json_response

SIZE = 400
"""Bytes of a row's inputs."""


class Answer(NamedTuple):
    at: float
    number: int
    turn: Turn
    headers: dict[str, str]
    result: Result


class Simulation:
    """Rows that are sent to the sandbox's limits, in a time of their own."""

    def __init__(
        self,
        limits: tuple[int | None, int | None],
        *,
        tells: bool = True,
        given: tuple[float | None, float | None] = (None, None),
        tokens: Callable[[], int] = lambda: 150,
        concurrency: int = 64,
        latency: float = 0.8,
    ) -> None:
        self.now = 0.0
        self.provider = RateLimits(*limits, clock=lambda: self.now)
        self.limiter = Limiter(*given, now=lambda: self.now)
        self.tells, self.tokens = tells, tokens
        self.concurrency, self.latency = concurrency, latency
        self.answers: list[Answer] = []
        self.passed: list[tuple[float, int]] = []
        self.refused: list[float] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            while len(self.answers) >= self.concurrency:
                self.wait(self.answers[0].at - self.now)
            turn = self.limiter.turn(SIZE)
            turn.wait(self)  # type: ignore[arg-type] # it only waits
            turn.begin(SIZE, self.wait)
            self.send(turn)

    def send(self, turn: Turn) -> None:
        used = self.tokens()
        result: Result = Result({}, None, {"usage": {"total_tokens": used}})
        try:
            self.provider.check("openai")
            self.provider.settle(json_response({"usage": {"total_tokens": used}}))
            self.passed.append((self.now, used))
        except ErrorResponse as error:
            self.refused.append(self.now)
            after = int(error.response.headers["retry-after-ms"])
            result = failed(ConnectorError("rate_limited", "m", retry_after_ms=after))
        headers = self.provider.headers() if self.tells else {}
        at = self.now + self.latency * random.uniform(0.5, 1.5)
        heapq.heappush(self.answers, Answer(at, len(self.passed), turn, headers, result))

    def wait(self, seconds: float) -> bool:
        """Let time pass, and the answers of it arrive."""
        until = self.now + seconds
        while self.answers and self.answers[0].at <= until:
            answer = heapq.heappop(self.answers)
            self.now = max(self.now, answer.at)
            answer.turn.end(answer.headers, answer.result.error)
            answer.turn.settle(answer.result)
        self.now = until
        return False

    def rate(self, since: float) -> tuple[float, float]:
        """Return the requests and tokens that have passed per minute."""
        minutes = (self.now - since) / 60
        passed = [used for at, used in self.passed if at >= since]
        return len(passed) / minutes, sum(passed) / minutes

    def share_refused(self, since: float) -> float:
        refused = sum(at >= since for at in self.refused)
        return refused / max(1, refused + sum(at >= since for at, _ in self.passed))


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    random.seed(5)


def varied() -> int:
    return random.randint(20, 1500)


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("limits", "tokens"),
    [
        ((600, None), varied),
        ((60, None), varied),
        ((None, 90_000), varied),
        ((3_000, 90_000), varied),
    ],
)
def test_the_providers_limits_are_found_and_used(
    limits: tuple[int | None, int | None], tokens: Callable[[], int], tells: bool
) -> None:
    run = Simulation(limits, tells=tells, tokens=tokens)
    run.run(600)  # without headers the limit must be found first, after what a minute has saved
    since = run.now
    run.run(1800)
    requests, used = run.rate(since)
    share = max(requests / (limits[0] or 10**9), used / (limits[1] or 10**9))
    assert 0.9 <= share <= 1.05  # what a minute had saved comes on top
    assert run.share_refused(since) < 0.02
    if tells:
        assert run.share_refused(0) < 0.02


def test_a_limit_that_falls_and_rises_is_followed() -> None:
    """Another program uses half of the limit for ten minutes; the headers do not show it."""
    run = Simulation((600, None))
    run.run(120)
    run.provider._limits["requests"] = 300
    run.provider.headers = lambda: {"x-ratelimit-limit-requests": "600"}  # type: ignore[method-assign]
    run.run(600)
    since = run.now
    run.run(600)
    assert 0.9 <= run.rate(since)[0] / 300 <= 1.02
    assert run.share_refused(since) < 0.02
    run.provider._limits["requests"] = 600
    run.run(600)
    since = run.now
    run.run(300)
    assert run.rate(since)[0] / 600 >= 0.9


@pytest.mark.parametrize("given", [(300, None), (None, 45_000), (300, 45_000)])
def test_a_limit_that_the_user_gives_is_not_exceeded(
    given: tuple[float | None, float | None],
) -> None:
    """It counts even where the provider would let more pass."""
    run = Simulation((6_000, 900_000), given=given, tokens=varied)
    run.run(900)
    requests, used = run.rate(60)
    shares = [requests / (given[0] or 10**9), used / (given[1] or 10**9)]
    assert 0.9 <= max(shares) <= 1.0
    assert not run.refused
    for start in range(60, 840):
        within = [at for at, _ in run.passed if start <= at < start + 60]
        assert given[0] is None or len(within) <= given[0]


def test_the_first_request_asks_for_the_limits_alone() -> None:
    run = Simulation((6_000, None), latency=1.0)
    run.run(0.4)
    assert [at for at, _ in run.passed if at < 0.4] == [0.0]


def test_a_fan_out_counts_each_of_its_attempts() -> None:
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    limiter = Limiter(60, None, now=lambda: now)
    turn = limiter.turn(SIZE)
    for _ in range(61):
        turn.begin(SIZE, wait)
    assert 58 <= now <= 62


class Quiet:
    def skipped(self, ok: bool) -> None: ...
    def finished(self, result: Result) -> None: ...


def test_a_row_that_meets_the_limit_is_called_again(tmp_path: Any) -> None:
    """The limit is no fault of the row; but a row that never passes must not hold the run."""
    calls = {"passes": 0, "never": 0}

    def call(job: Job, turn: Turn) -> Result:
        calls[job.key] += 1
        if job.key == "passes" and calls[job.key] == 10:
            return Result({}, None, {})
        return failed(ConnectorError("rate_limited", "m", retry_after_ms=1))

    store = Store(str(tmp_path / "results.db"))
    store.create()
    jobs = [Job(1, "passes", {}), Job(2, "never", {})]
    outcome = Runner(store, call, Limiter(), Quiet(), concurrency=2).run(jobs)
    store.close()
    assert (outcome.called, outcome.failed) == (2, 1)
    assert calls == {"passes": 10, "never": 20}


def test_a_run_stops_if_nothing_works_any_more(tmp_path: Any) -> None:
    store = Store(str(tmp_path / "results.db"))
    store.create()
    jobs = [Job(number, str(number), {}) for number in range(1_000)]
    down = failed(ConnectorError("connect_failed", "Down."))
    outcome = Runner(store, lambda _, __: down, Limiter(), Quiet(), concurrency=4).run(jobs)
    store.close()
    assert outcome.stopped_by is down.error
    assert 100 <= outcome.called <= 104


# The whole way: a run, the connector's retries, the sandbox


def test_a_run_follows_the_sandboxs_limits(tmp_path: Any, connector: Connector) -> None:
    """Its minute takes a second, so that the run spans many."""
    models = connector.describe()["models"]
    with Sandbox(models, requests_per_minute=100, tokens_per_minute=1_000_000, minute=1.0) as box:
        to = box.connection("openai")
        store = Store(str(tmp_path / "results.db"))
        store.create()
        waiting = Connector.load(clock=Clock())  # its pauses take the time that they should

        def call(job: Job, turn: Turn) -> Result:
            return waiting.invoke("createChatCompletion", job.inputs, to, throttle=turn)

        jobs = [
            Job(n, f"{n:064}", {"messages": [{"role": "user", "content": f"Row {n}"}]}, 80)
            for n in range(300)
        ]
        with store.locked():
            limiter = Limiter(minute=1.0)
            outcome = Runner(store, call, limiter, Quiet(), concurrency=16).run(jobs)
        waiting.close()
        store.close()
        assert (outcome.called, outcome.failed) == (300, 0)
        sent = [json.loads(request.body)["messages"][0]["content"] for request in box.requests]
    assert len(sent) < 300 * 1.02  # the rest were answered 429 and sent again
