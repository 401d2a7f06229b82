"""Many prompts in one invocation: some fail, some stop the rest, what is finished is kept."""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from connector import Connector
from connector.policy.clock import Clock
from connector.runtime import threads
from connector.runtime.flag import Flag
from tests.conftest import TODAY, FakeClock
from tests.support import canary
from tests.support.fault_server import FaultServer, Received, chat_completion
from tests.support.workers import left_behind

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A job in the background of a shell starts with Ctrl-C ignored."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


def connection(server: FaultServer) -> Row:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": server.url}}


def interrupt_main() -> None:
    """A real Ctrl-C, which also wakes the main thread from a system call."""
    os.kill(os.getpid(), signal.SIGINT)


def prompt_of(received: Received) -> str:
    return str(received.json()["messages"][0]["content"])


def run(connector: Connector, server: FaultServer, prompts: list[str], **inputs: Any) -> Any:
    inputs = {"model": "gpt-4o-mini", "messages": prompts, **inputs}
    result = connector.invoke("createCompletions", inputs, connection(server))
    assert left_behind() == []
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)
    return result


def echo(received: Received, _: int) -> Row:
    return {"json": chat_completion(prompt_of(received).upper())}


def codes(result: Any) -> list[str | None]:
    return [choice["error"]["code"] if choice["error"] else None for choice in choices(result)]


def choices(result: Any) -> list[Any]:
    found: list[Any] = result.data["choices"]
    assert [choice["index"] for choice in found] == list(range(len(found)))
    return found


def test_results_keep_the_order_of_the_prompts(connector: Connector) -> None:
    prompts = [f"p{number}" for number in range(40)]
    with FaultServer(echo) as server:
        result = run(connector, server, prompts, concurrency=16)
    assert [choice["text"] for choice in choices(result)] == [text.upper() for text in prompts]
    assert result.data["usage"]["total_tokens"] == 40 * 11
    assert result.meta["attempts"] == 40
    assert server.connections <= 16


@pytest.mark.parametrize("concurrency", [1, 8])
def test_one_of_five_fails_and_keeps_its_place(connector: Connector, concurrency: int) -> None:
    def answer(received: Received, index: int) -> Row:
        if prompt_of(received) == "c":
            return {"status": 400, "json": {"error": {"message": "No c.", "code": "bad_c"}}}
        return echo(received, index)

    with FaultServer(answer) as server:
        result = run(connector, server, list("abcde"), concurrency=concurrency)
    assert not result.ok
    assert result.error.code == "partial_failure"
    assert result.error.sent == "unknown"
    assert [choice["text"] for choice in choices(result)] == ["A", "B", None, "D", "E"]
    assert codes(result) == [None, None, "bad_request", None, None]
    assert result.data["failed"] == 1
    assert choices(result)[2]["error"]["providerCode"] == "bad_c"


def test_each_prompt_reports_the_worst_of_its_attempts(connector: Connector) -> None:
    def answer(received: Received, index: int) -> Row:
        if prompt_of(received) != "b":
            return {"status": 400, "json": {"error": {}}}
        return {"reset": "after_request"} if index == 1 else {"status": 400, "json": {"error": {}}}

    with FaultServer(answer) as server:
        result = run(connector, server, list("abc"), concurrency=1)
    sent = [choice["error"]["sent"] for choice in choices(result)]
    assert sent == ["rejected", "unknown", "rejected"]


def test_a_refused_key_stops_the_launches(connector: Connector) -> None:
    answer = {"status": 401, "json": {"error": {"message": "Bad key."}}}
    with FaultServer(answer) as server:
        result = run(connector, server, list("abcde"), concurrency=1)
    assert len(server.requests) == 1
    assert codes(result)[0] == "authentication_failed"
    assert codes(result)[1:] == ["cancelled"] * 4
    rest = choices(result)[1:]
    assert all("authentication_failed" in choice["error"]["message"] for choice in rest)
    assert all(choice["error"]["sent"] == "no" for choice in rest)
    assert not result.error.retryable
    assert result.error.sent == "rejected"


def test_a_spent_quota_stops_the_launches_and_keeps_what_is_finished(connector: Connector) -> None:
    def answer(received: Received, index: int) -> Row:
        if index < 2:
            return echo(received, index)
        return {"status": 429, "json": {"error": {"code": "insufficient_quota"}}}

    with FaultServer(answer) as server:
        result = run(connector, server, list("abcde"), concurrency=1)
    assert len(server.requests) == 3
    assert codes(result) == [None, None, "quota_exhausted", "cancelled", "cancelled"]
    assert [choice["text"] for choice in choices(result)][:2] == ["A", "B"]
    assert result.error.sent == "unknown"


def test_a_refused_key_does_not_end_running_requests(connector: Connector) -> None:
    arrived = threading.Event()

    def answer(received: Received, index: int) -> Row:
        if prompt_of(received) == "a":
            assert arrived.wait(60)
            return {"status": 401, "json": {"error": {}}}
        arrived.set()
        return echo(received, index)

    with FaultServer(answer) as server:
        result = run(connector, server, ["a", "b"], concurrency=2)
    assert codes(result) == ["authentication_failed", None]


class PauseTogether(FakeClock):
    """A sleep ends when a second thread sleeps too: who does not, is seen at work meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.both = threading.Barrier(2, timeout=60)

    def sleep(self, seconds: float, cancelled: Flag) -> None:
        self.begun.set()
        with contextlib.suppress(threading.BrokenBarrierError):
            self.both.wait()
        super().sleep(seconds, cancelled)


def test_one_429_slows_all_workers() -> None:
    """No attempt begins before the pause that one of them was asked for is over."""
    clock = PauseTogether()
    begun: list[str] = []
    during: list[str] = []

    def answer(received: Received, index: int) -> Row:
        prompt = prompt_of(received)
        begun.append(prompt)
        if not clock.sleeps:
            during.append(prompt)
        if prompt == "a" and begun.count("a") == 1:
            return {"status": 429, "json": {"error": {}}, "headers": {"retry-after": 60}}
        clock.begun.wait(60)  # the other worker is free once the pause has begun, no sooner
        return echo(received, index)

    connector = Connector.load(clock=clock.clock())
    with FaultServer(answer) as server:
        result = run(connector, server, list("abcdef"), concurrency=2)
    connector.close()
    assert result.ok, result.to_dict()
    assert set(during) <= {"a", "b"}  # b may have been under way
    assert len(clock.sleeps) == 2
    assert sorted(begun) == sorted("aabcdef")


def test_a_429_that_is_not_repeated_slows_the_others_too() -> None:
    clock = FakeClock()
    begun: list[float] = []

    def answer(received: Received, index: int) -> Row:
        begun.append(clock.monotonic())
        if prompt_of(received) == "a":
            return {"status": 429, "json": {"error": {}}, "headers": {"retry-after": 60}}
        return echo(received, index)

    connector = Connector.load(clock=clock.clock())
    with FaultServer(answer) as server:
        result = run(connector, server, list("abcdef"), concurrency=1)
    connector.close()
    assert codes(result) == ["rate_limited", *[None] * 5]
    assert begun[3] - begun[2] >= 60


def test_a_provider_that_asks_for_a_long_pause_gets_it(connector: Connector) -> None:
    def answer(received: Received, index: int) -> Row:
        if prompt_of(received) == "b":
            return {"status": 429, "json": {"error": {}}, "headers": {"retry-after": 300}}
        return echo(received, index)

    with FaultServer(answer) as server:
        result = run(connector, server, list("abcd"), concurrency=1)
    assert codes(result) == [None, "rate_limited", "cancelled", "cancelled"]
    assert len(server.requests) == 2
    last = choices(result)[3]["error"]
    assert (last["sent"], last["retryable"], last["retryAfterMs"]) == ("no", True, 300_000)


def test_a_pause_beyond_the_deadline_is_reported_at_once() -> None:
    clock = FakeClock()

    def answer(received: Received, index: int) -> Row:
        if index == 0:
            clock.sleeps.append(560)
            headers = {"retry-after": 60, "x-should-retry": "false"}
            return {"status": 429, "json": {"error": {}}, "headers": headers}
        return echo(received, index)

    connector = Connector.load(clock=clock.clock())
    with FaultServer(answer) as server:
        result = run(connector, server, list("ab"), concurrency=1)
    connector.close()
    assert codes(result) == ["rate_limited", "cancelled"]
    assert len(clock.sleeps) == 1


@pytest.mark.parametrize("count", [1.7e308, 10**4299, -5, True, "7"])
def test_an_invalid_count_is_not_added_up(connector: Connector, count: Any) -> None:
    text = json.dumps({**chat_completion("Hi"), "usage": {"total_tokens": count, "a": {"b": 1}}})
    with FaultServer({"text": text}) as server:
        result = run(connector, server, ["a", "b", "c"])
    assert result.ok
    usage = result.meta["usage"]
    assert usage["a"] == {"b": 3}
    json.dumps(usage, allow_nan=False)


def test_a_second_interrupt_loses_nothing(connector: Connector) -> None:
    def answer(received: Received, index: int) -> Row:
        return echo(received, index) if prompt_of(received) in "ab" else {"hang": True}

    def interrupt(done: int, _: int) -> None:
        if done == 2:
            interrupt_main()
            interrupt_main()

    with FaultServer(answer) as server:
        inputs = {"model": "m", "messages": list("abcd"), "concurrency": 1}
        to = connection(server)
        result = connector.invoke("createCompletions", inputs, to, progress=interrupt)
    assert result.error is not None
    assert result.error.code == "cancelled"
    assert [choice["text"] for choice in choices(result)][:2] == ["A", "B"]


def test_what_is_finished_at_the_deadline_is_kept() -> None:
    clock = FakeClock()
    connector = Connector.load(clock=clock.clock())

    def answer(received: Received, index: int) -> Row:
        if index < 3:
            return echo(received, index)
        clock.expire()
        return {"hang": True}

    with FaultServer(answer) as server:
        result = run(connector, server, list("abcdef"), concurrency=1)
    connector.close()
    assert [choice["text"] for choice in choices(result)][:3] == ["A", "B", "C"]
    assert codes(result)[3:] == ["deadline_exceeded"] * 3
    assert [choice["error"]["sent"] for choice in choices(result)[3:]] == ["unknown", "no", "no"]
    assert len(server.requests) == 4


def test_what_is_finished_at_an_interrupt_is_kept(connector: Connector) -> None:
    def answer(received: Received, index: int) -> Row:
        if prompt_of(received) in "ab":
            return echo(received, index)
        return {"hang": True}

    def interrupt(done: int, _: int) -> None:
        if done == 2:
            server.wait_for_requests(3)  # this worker comes to its next prompt after this
            interrupt_main()

    with FaultServer(answer) as server:
        result = connector.invoke(
            "createCompletions",
            {"model": "gpt-4o-mini", "messages": list("abcde"), "concurrency": 2},
            connection(server),
            progress=interrupt,
        )
    assert result.error is not None
    assert result.error.code == "cancelled"
    assert result.error.sent == "unknown"
    assert [choice["text"] for choice in choices(result)][:2] == ["A", "B"]
    assert codes(result)[2:] == ["cancelled"] * 3
    sent = [choice["error"]["sent"] for choice in choices(result)[2:]]
    assert sent.count("no") >= 1


def test_an_interrupt_reaches_a_handshake_that_hangs(connector: Connector) -> None:
    """In a worker's TLS handshake no socket of the connection is to be seen from outside."""
    with FaultServer({"text": ""}, tls="handshake_hang") as server:

        def interrupt() -> None:
            while server.connections < 2:
                threading.Event().wait(0.001)
            interrupt_main()

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = run(connector, server, ["a", "b"])
        thread.join()
    assert result.error.code == "cancelled"
    assert codes(result) == ["cancelled"] * 2


def test_an_interrupt_of_one_call(connector: Connector) -> None:
    # A signal that comes just before a system call does not end it: then the deadline does.
    policies = connector.manifest.policies._replace(deadline_ms=20_000)
    connector.catalog.manifest = connector.manifest._replace(policies=policies)

    def answer(_: Received, __: int) -> Row:
        interrupt_main()
        return {"hang": True}

    inputs = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    with FaultServer(answer) as server:
        result = connector.invoke("createChatCompletion", inputs, connection(server))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "unknown")


def test_an_interrupt_while_waiting_says_what_was_sent() -> None:
    def sleep(_: float, __: Flag) -> None:
        raise KeyboardInterrupt

    connector = Connector.load(clock=Clock(sleep=sleep, today=lambda: TODAY))
    inputs = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    with FaultServer({"status": 503}) as server:
        result = connector.invoke("createChatCompletion", inputs, connection(server))
    connector.close()
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "rejected")


def test_a_progress_function_that_fails_loses_no_result(connector: Connector) -> None:
    def progress(_: int, __: int) -> None:
        raise ZeroDivisionError

    inputs = {"model": "gpt-4o-mini", "messages": list("abcde")}
    with FaultServer(echo) as server:
        result = connector.invoke(
            "createCompletions", inputs, connection(server), progress=progress
        )
    assert result.ok
    assert result.meta["warnings"] == ["The progress function failed and was not called again."]


@pytest.mark.parametrize("possible", [0, 1])
def test_without_further_threads_a_fan_out_is_slow_but_works(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, possible: int
) -> None:
    start = _thread.start_new_thread
    started: list[int] = []

    def meagre(work: Any, given: tuple[()]) -> None:
        if len(started) == possible:
            raise RuntimeError("can't start new thread")
        started.append(1)
        start(work, given)

    with FaultServer(echo) as server:
        monkeypatch.setattr(threads, "_thread", SimpleNamespace(start_new_thread=meagre))
        result = run(connector, server, list("abcde"))
        monkeypatch.undo()
    assert result.ok
    assert server.connections == 1


def test_a_defect_in_one_item_is_an_internal_error(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(canary.KEY)

    monkeypatch.setattr("connector.actions.writing.Writer.write", broken)
    with FaultServer(echo) as server:
        result = run(connector, server, ["a", "b"])
    assert (result.error.code, result.error.sent) == ("internal_error", "no")
