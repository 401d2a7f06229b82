"""What an interrupt, a short-lived token or a pause leaves behind: nothing that stops a later call.

An exception is raised at each line of the code in question in turn, by a trace function.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.http.connection import POOLS, Exchange
from connector.options import Options
from connector.policy import deadline, pauses, retry
from connector.policy.budget import Budget
from connector.policy.context import Context
from connector.policy.deadline import Deadline
from connector.policy.limits import Backoff, Policies
from connector.providers.authentication import Token, TokenAuthentication
from tests.conftest import FakeClock
from tests.support import canary
from tests.support.fault_server import FaultServer

pytestmark = pytest.mark.core


class Interrupt(BaseException):
    """Raised from outside."""


def interrupted(work: Callable[[], object], function: Any, line: int) -> bool:
    """Do `work`; raise at the `line`th line that `function` executes. False: it has fewer."""
    seen = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code is not function.__code__:
            return None if event == "call" else trace
        if event == "line":
            seen += 1
            if seen == line:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(Interrupt):
            work()
    finally:
        sys.settrace(before)
    return seen >= line


def test_an_interrupted_fetch_does_not_block_the_next() -> None:
    line, goes_on = 0, True
    while goes_on:
        line += 1
        authentication = TokenAuthentication(lambda _: Token(canary.KEY, 3600))
        goes_on = interrupted(
            lambda made=authentication: made.credentials(Deadline(60)),  # type: ignore[misc]
            TokenAuthentication._fetched,
            line,
        )
        assert authentication.credentials(Deadline(1)).secret.reveal() == canary.KEY
    assert line > 5


@pytest.mark.parametrize("seconds", [0, -5])
def test_a_token_that_expires_at_once_is_fetched_once_for_a_request(seconds: float) -> None:
    fetched: list[Deadline] = []

    def fetch(deadline: Deadline) -> Token:
        fetched.append(deadline)
        assert len(fetched) < 3
        return Token(canary.KEY, seconds)

    authentication = TokenAuthentication(fetch)
    for count in (1, 2):
        authentication.credentials(Deadline(60))
        assert len(fetched) == count


def test_an_interrupted_close_leaves_nothing_watched_after_the_call() -> None:
    line, goes_on = 0, True
    while goes_on:
        line += 1
        limit = Deadline(60)
        exchange = Exchange(limit)
        exchange.guard(None)
        goes_on = interrupted(lambda of=exchange: of.close(), Deadline.detach, line)  # type: ignore[misc]
        limit.release()
        assert exchange not in deadline._watchdog._times
        assert not limit._open
    assert line > 2


def test_an_unread_response_is_not_watched_after_the_call(connector: Connector) -> None:
    """An interrupt between opening a response and reading it."""
    from connector.http.sender import OpenResponse

    fields = {"apiKey": canary.KEY, "isOpenAIKey": True}
    inputs = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    with FaultServer(lambda received, index: {"json": {}}) as server:
        target = {"fields": {**fields, "endpoint": server.url}}

        def call() -> None:
            connector.invoke("createChatCompletion", inputs, target)

        before = set(deadline._watchdog._times)
        assert interrupted(call, OpenResponse.read, 1)
        assert set(deadline._watchdog._times) <= before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors as Linux does")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half made
def test_an_interrupt_while_connecting_leaks_no_socket() -> None:
    with FaultServer(lambda received, index: {"json": {}}) as server:
        port = int(server.url.rsplit(":", 1)[1].partition("/")[0])
        line, goes_on = 0, True
        while goes_on:
            line += 1
            exchange = Exchange(Deadline(60))
            with POOLS["http"]("127.0.0.1", port) as pool:
                before = len(os.listdir("/proc/self/fd"))
                goes_on = interrupted(
                    lambda pool=pool, of=exchange: pool.open(of, "GET", "/", {}, None, False),  # type: ignore[misc]
                    socket.socket.__init__,
                    line,
                )
                exchange.close()
                if goes_on:
                    assert len(os.listdir("/proc/self/fd")) <= before
    assert line > 2


def test_a_call_that_only_waits_for_a_pause_does_not_extend_it(fake_clock: FakeClock) -> None:
    context = Context(Policies(), fake_clock.clock(), timeout_ms=10)
    pause = pauses.Pause(1, context)
    pause.begin(0.1)
    until = pauses.resume_at(1)
    rule = retry.Rule(Backoff(2, 5_000, 8_000), lambda _: True)
    with pytest.raises(ConnectorError, match="asked to wait for longer"):
        retry.run(pause.wait, rule, context, Budget(10, 1), pause)
    assert pauses.resume_at(1) == until


def test_a_429_without_retries_pauses_the_others_too(fake_clock: FakeClock) -> None:
    context = Context(Policies(), fake_clock.clock(), max_retries=0)

    def attempt() -> None:
        raise ConnectorError("rate_limited", "m", http_status=429, retry_after_ms=7_000)

    pause = pauses.Pause(1, context)
    with pytest.raises(ConnectorError):
        retry.run(attempt, retry.for_actions(context.retries), context, Budget(10, 1), pause)
    pause.wait()
    assert [round(seconds) for seconds in fake_clock.sleeps] == [7]


def test_an_option_too_large_for_a_float_is_refused() -> None:
    rows = Options(timeout_ms=10**400, max_retries=10**400).problems()
    assert [row["path"] for row in rows] == ["/timeout_ms", "/max_retries"]
