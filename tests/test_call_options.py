"""The options of one invocation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from tests.conftest import FakeClock
from tests.support import manifests
from tests.support.fault_server import FaultServer, SilentListener, chat_completion
from tests.support.front import connection, inputs_of

CHAT = "createChatCompletion"
FAILED = {"status": 500, "text": "x"}
CALLS = [CHAT, "rawRequest", "createCompletions"]

NOT_TIMES = [0, -1, 0.5, math.nan, math.inf, -math.inf, True, False, "5", [5], {}]
NOT_COUNTS = [-1, 2.5, math.nan, math.inf, True, False, "2", [2], -(10**400)]


def refused(result: Any, *paths: str) -> None:
    error = result.error
    assert error is not None, result.to_dict()
    assert (error.code, error.sent, error.retryable) == ("invalid_payload", "no", False)
    assert [row["path"] for row in error.details] == list(paths)
    assert result.meta["attempts"] == 0


@pytest.mark.parametrize("value", NOT_TIMES, ids=repr)
@pytest.mark.parametrize("action", CALLS)
def test_an_invalid_time_is_refused(connector: Connector, action: str, value: Any) -> None:
    with SilentListener() as server:
        given = connection(server.url)
        refused(connector.invoke(action, inputs_of(action), given, timeout_ms=value), "/timeout_ms")
        refused(connector.test_connection(given, timeout_ms=value), "/timeout_ms")
        refused(connector.options("selectModel", given, timeout_ms=value), "/timeout_ms")
        assert server.connections == 0


@pytest.mark.parametrize("value", NOT_COUNTS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("action", CALLS)
def test_an_invalid_count_is_refused(connector: Connector, action: str, value: Any) -> None:
    with SilentListener() as server:
        result = connector.invoke(
            action, inputs_of(action), connection(server.url), max_retries=value
        )
        refused(result, "/max_retries")
        assert server.connections == 0


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"x.png"


@pytest.mark.parametrize(
    "value", [5, 0, True, b"x.png", ["x.png"], {}, BytesPath()], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("action", CALLS)
def test_an_output_that_is_no_path_is_refused(
    connector: Connector, action: str, value: Any
) -> None:
    with SilentListener() as server:
        given = connection(server.url)
        result = connector.invoke(action, inputs_of(action), given, output=value)
        refused(result, "/output")
        assert "must be a path" in str(result.error)
        refused(connector.invoke(action, {}, given, output=value, dry_run=True), "/output")
        assert server.connections == 0


@pytest.mark.parametrize("value", [5, "print", [print]], ids=repr)
def test_a_progress_that_cannot_be_called_is_refused(connector: Connector, value: Any) -> None:
    with SilentListener() as server:
        given = connection(server.url)
        refused(connector.invoke(CHAT, inputs_of(CHAT), given, progress=value), "/progress")
        assert server.connections == 0


def test_all_options_are_refused_at_once(connector: Connector) -> None:
    options: dict[str, Any] = {"timeout_ms": 0, "max_retries": -1, "cancel": "now"}
    with SilentListener() as server:
        given = connection(server.url)
        result = connector.invoke(CHAT, inputs_of(CHAT), given, **options)
        refused(result, "/timeout_ms", "/max_retries", "/cancel")
        assert "timeout_ms" in str(result.error)
        # Even where nothing would be sent at all.
        refused(connector.invoke(CHAT, {}, given, dry_run=True, timeout_ms=0), "/timeout_ms")
        assert server.connections == 0


@pytest.mark.parametrize("value", [1000, 1000.5, 60_000, 1e308])
def test_a_time_that_is_one_is_not_refused(connector: Connector, value: float) -> None:
    with FaultServer({"json": chat_completion()}) as server:
        given = connection(server.url)
        assert connector.invoke(CHAT, inputs_of(CHAT), given, timeout_ms=value).ok


@pytest.mark.parametrize("action", CALLS)
def test_the_time_limit_applies_to_everything_that_an_action_does(
    connector: Connector, action: str
) -> None:
    with FaultServer({"hang": True}) as server:
        result = connector.invoke(
            action, inputs_of(action), connection(server.url), timeout_ms=1_000, max_retries=5
        )
        assert result.error is not None
        error: Any = result.error
        if action == "createCompletions":
            error = result.to_dict()["data"]["choices"][0]["error"]
            assert error["code"] == "deadline_exceeded"
        else:
            assert (error.code, error.sent) == ("deadline_exceeded", "unknown")
        assert len(server.requests) == 1


def test_the_time_limit_applies_to_waits_between_attempts(
    connector: Connector, fake_clock: FakeClock
) -> None:
    limited = {"status": 503, "headers": {"retry-after": "3"}, "text": "x"}
    with FaultServer(limited) as server:
        given = connection(server.url)
        result = connector.invoke(CHAT, inputs_of(CHAT), given, timeout_ms=4000)
        assert result.error is not None
        assert result.error.retry_after_ms == 3000
        assert len(server.requests) == 2
    assert fake_clock.sleeps == [3.0]


def test_the_time_is_at_most_the_manifests(tmp_path: Path, fake_clock: FakeClock) -> None:
    made = manifests.with_policies(tmp_path, {"deadlineMs": 2000}, fake_clock.clock())
    limited = {"status": 503, "headers": {"retry-after": "3"}, "text": "x"}
    with made, FaultServer(limited) as server:
        given = connection(server.url)
        result = made.invoke(CHAT, inputs_of(CHAT), given, timeout_ms=60_000)
        assert result.error is not None
        assert len(server.requests) == 1
    assert fake_clock.sleeps == []


@pytest.mark.parametrize(
    ("own_ms", "given_ms", "attempts"), [(4000, 60_000, 2), (60_000, 4000, 2), (2000, 60_000, 1)]
)
def test_the_shorter_of_a_raw_requests_own_time_and_the_callers_applies(
    connector: Connector, fake_clock: FakeClock, own_ms: int, given_ms: int, attempts: int
) -> None:
    inputs = inputs_of("rawRequest", timeout=own_ms, maxRetries=5)
    limited = {"status": 503, "headers": {"retry-after": "3"}, "text": "x"}
    with FaultServer(limited) as server:
        given = connection(server.url)
        result = connector.invoke("rawRequest", inputs, given, timeout_ms=given_ms)
        assert not result.ok
        assert len(server.requests) == attempts


@pytest.mark.parametrize(
    ("max_retries", "attempts"), [(None, 3), (0, 1), (1, 2), (2, 3), (4, 5), (2.0, 3)]
)
@pytest.mark.parametrize("action", [CHAT, "createCompletions", "summarizeText", "createImage"])
def test_the_count_replaces_that_of_the_named_actions(
    connector: Connector, action: str, max_retries: Any, attempts: int
) -> None:
    with FaultServer(FAILED) as server:
        given = connection(server.url)
        result = connector.invoke(action, inputs_of(action), given, max_retries=max_retries)
        assert not result.ok
        assert (len(server.requests), result.meta["attempts"]) == (attempts, attempts)


@pytest.mark.parametrize(("own", "attempts"), [(0, 1), (2, 3)])
def test_a_raw_request_keeps_its_own_count(connector: Connector, own: int, attempts: int) -> None:
    inputs = inputs_of("rawRequest", maxRetries=own)
    with FaultServer(FAILED) as server:
        given = connection(server.url)
        assert not connector.invoke("rawRequest", inputs, given, max_retries=4).ok
        assert len(server.requests) == attempts


def test_a_time_that_is_over_at_once_sends_nothing(
    connector: Connector, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = connector.catalog.form

    def form(key: str) -> Any:
        fake_clock.passed += 10
        return original(key)

    monkeypatch.setattr(connector.catalog, "form", form)
    with SilentListener() as server:
        given = connection(server.url)
        result = connector.invoke(CHAT, inputs_of(CHAT), given, timeout_ms=9000)
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("deadline_exceeded", "no")
        assert server.connections == 0


# Pauses that invocations share


LIMITED = {"status": 429, "headers": {"retry-after": "9"}, "json": {"error": {"message": "x"}}}
GOOD = {"json": chat_completion()}


@pytest.mark.parametrize(
    ("model", "key", "waits"),
    [
        ("m", "sk-first-0123456789", True),
        ("n", "sk-first-0123456789", False),
        ("m", "sk-other-01234567", False),
    ],
)
@pytest.mark.parametrize("max_retries", [0, None])
def test_a_429_pauses_requests_with_the_same_key_and_model(
    connector: Connector,
    fake_clock: FakeClock,
    model: str,
    key: str,
    waits: bool,
    max_retries: int | None,
) -> None:
    """Whether it is retried itself or not, and whichever connector of the process asks."""
    other = Connector.load(clock=fake_clock.clock())
    answers = [LIMITED, GOOD] if max_retries == 0 else [LIMITED, LIMITED, LIMITED, GOOD]
    with other, FaultServer(answers) as server:
        first = connection(server.url, apiKey="sk-first-0123456789")
        result = connector.invoke(CHAT, inputs_of(CHAT, model="m"), first, max_retries=max_retries)
        assert result.error is not None
        assert result.error.code == "rate_limited"
        before = len(fake_clock.sleeps)
        second = connection(server.url, apiKey=key)
        assert other.invoke(CHAT, inputs_of(CHAT, model=model), second).ok
    waited = fake_clock.sleeps[before:]
    assert [round(seconds) for seconds in waited] == ([9] if waits else [])


def test_a_pause_of_one_endpoint_is_not_that_of_another(
    connector: Connector, fake_clock: FakeClock
) -> None:
    with FaultServer(LIMITED) as limited, FaultServer(GOOD) as good:
        given = connection(limited.url)
        assert not connector.invoke(CHAT, inputs_of(CHAT), given, max_retries=0).ok
        assert connector.invoke(CHAT, inputs_of(CHAT), connection(good.url)).ok
    assert fake_clock.sleeps == []


def test_a_pause_longer_than_the_time_left_ends_the_call_and_is_not_prolonged(
    connector: Connector, fake_clock: FakeClock
) -> None:
    """Many short calls would otherwise keep the pause alive forever."""
    with FaultServer([LIMITED, GOOD]) as server:
        given = connection(server.url)
        assert not connector.invoke(CHAT, inputs_of(CHAT), given, max_retries=0).ok
        fake_clock.passed += 8.8
        short = connector.invoke(CHAT, inputs_of(CHAT), given, timeout_ms=100)
        assert short.error is not None
        assert (short.error.code, short.error.sent) == ("rate_limited", "no")
        assert (short.meta["attempts"], short.error.retryable) == (0, True)
        assert 0 < (short.error.retry_after_ms or 0) <= 200
        fake_clock.passed += 0.2
        assert connector.invoke(CHAT, inputs_of(CHAT), given).ok
    assert fake_clock.sleeps == []


# What a result tells of rate limits


def test_meta_reports_the_rate_limits(connector: Connector) -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    limits = {
        "limitRequests": 60,
        "remainingRequests": 59,
        "resetRequestsMs": 1000,
        "limitTokens": 150_000,
        "remainingTokens": 149_984,
        "resetTokensMs": 360_000,
    }
    answers = [{**GOOD, "headers": headers}, {**FAILED, "headers": headers}, GOOD]
    with FaultServer(answers) as server:
        given = connection(server.url)
        results = [connector.invoke(CHAT, inputs_of(CHAT), given, max_retries=0) for _ in answers]
    assert [result.meta.get("rateLimit") for result in results] == [limits, limits, None]
