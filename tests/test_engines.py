"""What engines do to a running call: they raise their own exceptions into it, from a signal handler
or through the interpreter. Each ends the call and reaches the engine; nothing goes on behind it."""

from __future__ import annotations

import _thread
import ctypes
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from connector import Connector
from connector.actions import completions
from connector.result import Failure, Success
from connector.runtime import threads
from tests.support import canary
from tests.support.fault_server import FaultServer, Received, chat_completion
from tests.support.manifests import examples
from tests.support.workers import at_work, left_behind

Row = dict[str, Any]
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class SoftTimeLimit(Exception):
    """As Celery's: an ordinary exception, raised by a signal handler."""


class LikeATimeout(TimeoutError):
    """As that of many decorators."""


class LikeAValue(ValueError):
    """One that parsers of texts catch."""


@dataclass(frozen=True)
class Frozen(Exception):
    """One whose class refuses to have its attributes set."""

    reason: str


KINDS = [
    SoftTimeLimit,
    Frozen,
    LikeATimeout,
    LikeAValue,
    TimeoutError,
    OSError,
    ValueError,
    KeyError,
    queue.Empty,
]


@contextmanager
def signal_raises(kind: type[BaseException]) -> Iterator[Callable[[], None]]:
    """Yield what makes the main thread's signal handler raise `kind`, as engines do."""

    def handler(number: int, frame: Any) -> None:
        del number, frame  # as many do with arguments that they do not need
        raise kind("out of time")

    old = signal.signal(signal.SIGUSR1, handler)
    try:
        yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, old)


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise `kind` in another thread through the interpreter, as Temporal does."""
    count = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(kind)
    )
    assert count == 1


def to(server: FaultServer) -> Row:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": server.url}}


def prompt_of(received: Received) -> str:
    return str(received.json()["messages"][0]["content"])


def answered(count: int, then: Callable[[], None]) -> Callable[[Received, int], Row]:
    """Answer so many requests; at the next one call `then`, and leave it and all others."""
    once = threading.Lock()

    def answer(received: Received, index: int) -> Row:
        if index < count:
            return {"json": chat_completion(prompt_of(received).upper())}
        if once.acquire(blocking=False):
            then()
        return {"hang": True}

    return answer


def result_of(error: BaseException) -> Success | Failure:
    """The result that goes with an engine's exception, with the key nowhere in it."""
    result: Success | Failure = error.connector_result  # type: ignore[attr-defined] # set by the connector
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)
    return result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_signal_handlers_exception_ends_a_fan_out(
    connector: Connector, kind: type[Exception], concurrency: int
) -> None:
    prompts = [f"p{number}" for number in range(40)]
    inputs = {"model": "m", "messages": prompts, "concurrency": concurrency}
    with signal_raises(kind) as fire, FaultServer(answered(20, fire)) as server:
        with pytest.raises(kind, match="out of time") as caught:
            connector.invoke("createCompletions", inputs, to(server))
        assert left_behind() == []
        sent = len(server.requests)
        assert sent <= 20 + concurrency
    result = result_of(caught.value)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "unknown")
    texts = [choice["text"] for choice in result.data["choices"]]
    done = [text for text in texts if text is not None]
    assert len(texts) == 40
    assert 20 - concurrency < len(done) <= 20
    assert set(done) <= {prompt.upper() for prompt in prompts}
    assert sent <= result.meta["attempts"] <= 20 + concurrency


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_handlers_exception_ends_a_single_call(
    connector: Connector, kind: type[Exception]
) -> None:
    with (
        signal_raises(kind) as fire,
        FaultServer(answered(0, fire)) as server,
        pytest.raises(kind, match="out of time") as caught,
    ):
        connector.invoke("createChatCompletion", CHAT, to(server))
    result = result_of(caught.value)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "unknown")
    assert result.data is None


@pytest.mark.parametrize("action", ["call", "invoke", "test_connection", "options"])
@pytest.mark.parametrize("kind", [SoftTimeLimit, SystemExit])
def test_an_engines_exception_shows_no_key(
    connector: Connector, action: str, kind: type[BaseException]
) -> None:
    with signal_raises(kind) as fire, FaultServer(answered(0, fire)) as server:
        connection = to(server)
        calls: dict[str, Callable[[], Any]] = {
            "call": lambda: connector.call("createChatCompletion", CHAT, connection),
            "invoke": lambda: connector.invoke("createChatCompletion", CHAT, connection),
            "test_connection": lambda: connector.test_connection(connection),
            "options": lambda: connector.options("selectModel", connection),
        }
        shown = canary.Opaque(calls[action]).traceback(kind)
    assert kind.__name__ in shown
    canary.assert_absent("a traceback with locals", shown)


def in_a_thread(work: Callable[[], Any], kind: type[BaseException], when: threading.Event) -> Any:
    """Run `work` in a thread into which `kind` is raised `when` it is under way."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except kind as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert when.wait(60)
    assert thread.ident is not None
    raise_in(thread.ident, kind)
    thread.join(60)
    assert not thread.is_alive()
    return caught[0]


@pytest.mark.parametrize("kind", [SoftTimeLimit, LikeATimeout, LikeAValue, SystemExit])
@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        *examples(),
        ("createCompletions", {"model": "m", "messages": list("abcd"), "concurrency": 2}),
    ],
)
def test_the_interpreters_exception_ends_a_call(
    connector: Connector, action: str, inputs: Row, kind: type[BaseException]
) -> None:
    waiting = threading.Event()
    with FaultServer(answered(0, waiting.set)) as server:
        connection = to(server)
        error = in_a_thread(lambda: connector.invoke(action, inputs, connection), kind, waiting)
        assert left_behind() == []
    result = result_of(error)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("cancelled", "unknown")


def test_after_an_engines_exception_the_connector_works_as_before(connector: Connector) -> None:
    inputs = {"model": "m", "messages": [str(number) for number in range(10)], "concurrency": 4}
    for _ in range(3):
        with (
            signal_raises(SoftTimeLimit) as fire,
            FaultServer(answered(5, fire)) as server,
            pytest.raises(SoftTimeLimit),
        ):
            connector.invoke("createCompletions", inputs, to(server))
    with FaultServer({"json": chat_completion("Hi")}) as server:
        result = connector.invoke("createCompletions", inputs, to(server))
    assert result.ok, result.to_dict()


def test_an_engines_exception_outranks_an_interrupt(connector: Connector) -> None:
    """Where both come, it is the engine that must hear of its own."""

    def both() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        fire()

    inputs = {"model": "m", "messages": list("abcd"), "concurrency": 2}
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            signal_raises(SoftTimeLimit) as fire,
            FaultServer(answered(1, both)) as server,
            pytest.raises(SoftTimeLimit),
        ):
            connector.invoke("createCompletions", inputs, to(server))
    finally:
        signal.signal(signal.SIGINT, old)


class Once:
    """Calls `then` when it is first called, and always what it stands for."""

    def __init__(self, original: Callable[..., Any], then: Callable[[], None]) -> None:
        self.original = original
        self.then: Callable[[], None] | None = then

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        then, self.then = self.then, None
        if then is not None:
            then()
        return self.original(*arguments, **named)


@pytest.mark.parametrize("interrupt", [True, False], ids=["Ctrl-C", "engine"])
@pytest.mark.parametrize(
    "where",
    ["connector.catalog.Catalog.output_problems", "connector.invocation.Invocation._meta"],
)
def test_what_is_finished_survives_until_the_return(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, where: str, interrupt: bool
) -> None:
    """Between the last response and the return there is time for an interrupt."""
    inputs = {"model": "m", "messages": [str(number) for number in range(50)]}
    with signal_raises(KeyboardInterrupt if interrupt else SoftTimeLimit) as fire:
        owner, _, name = where.rpartition(".")
        module, _, kind = owner.rpartition(".")
        original = getattr(getattr(sys.modules[module], kind), name)
        once = Once(original, fire)
        monkeypatch.setattr(where, lambda *given: once(*given))
        with FaultServer({"json": chat_completion("Hi")}) as server:
            try:
                result = connector.invoke("createCompletions", inputs, to(server))
            except SoftTimeLimit as error:
                result = result_of(error)
            assert len(server.requests) == 50
    assert once.then is None
    assert result.ok
    assert [choice["text"] for choice in result.data["choices"]] == ["Hi"] * 50
    assert "interrupted" in result.meta["warnings"][0]


def test_a_defect_in_one_worker_keeps_what_the_others_have(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = completions._choice

    def choice(answer: Any, error: Any) -> Any:
        if answer is not None and answer.text == "C":
            raise MemoryError
        return original(answer, error)

    monkeypatch.setattr(completions, "_choice", choice)

    def answer(received: Received, _: int) -> Row:
        return {"json": chat_completion(prompt_of(received).upper())}

    inputs = {"model": "m", "messages": list("abcdef"), "concurrency": 1}
    with FaultServer(answer) as server:
        result = connector.invoke("createCompletions", inputs, to(server))
        assert len(server.requests) == 3  # the next one would meet the same defect
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("partial_failure", False)
    choices = result.data["choices"]
    assert [choice["text"] for choice in choices] == ["A", "B", None, None, None, None]
    assert choices[2]["error"]["code"] == "internal_error"
    assert "MemoryError" in choices[2]["error"]["message"]


class Ends(threading.local):
    """Starts threads in place of `_thread`, and raises an exception into each at once."""

    kind: type[BaseException] = SoftTimeLimit

    def start_new_thread(self, work: Any, given: Any) -> int:
        ident = _thread.start_new_thread(work, given)
        # It may have ended by now, or not have begun.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(ident), ctypes.py_object(self.kind)
        )
        return ident


def test_what_is_raised_into_a_thread_of_ours_reaches_the_engine(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before its first line, when nothing in it can say that it has ended.

    Python 3.11 puts there what an engine raises into a thread that is starting another.
    """
    inputs = {"model": "m", "messages": list("abcdef"), "concurrency": 3}
    with FaultServer({"json": chat_completion("Hi")}) as server:
        monkeypatch.setattr(threads, "_thread", Ends())
        for _ in range(30):
            try:
                result = connector.invoke("createCompletions", inputs, to(server))
            except SoftTimeLimit as error:
                result = result_of(error)
            assert len(result.data["choices"]) == 6
            assert left_behind() == []
        monkeypatch.undo()
        again = connector.invoke("createCompletions", inputs, to(server))
    assert again.ok, again.to_dict()


def test_a_watchdog_that_was_killed_is_replaced(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"method": "GET", "timeout": 300}
    with FaultServer([{"json": 1}, {"json": 1, "drip_headers": 0.02}]) as server:
        assert connector.invoke("rawRequest", {"method": "GET"}, to(server)).ok
        for ident, name in at_work().items():
            assert name == "connector.policy.deadline._run"
            raise_in(ident, SoftTimeLimit)
        result = connector.invoke("rawRequest", inputs, to(server))
    assert result.error is not None
    assert result.error.code == "deadline_exceeded"


@pytest.mark.parametrize("name", [canary.KEY, 5, None, ["x"]])
def test_what_is_no_action_is_not_quoted(connector: Connector, name: Any) -> None:
    result = connector.invoke(name, {}, {"fields": {}})
    assert result.error is not None
    assert (result.error.code, result.meta["action"]) == ("unknown_action", "***")


def test_a_results_exception_pickles(connector: Connector) -> None:
    with (
        signal_raises(SoftTimeLimit) as fire,
        FaultServer(answered(0, fire)) as server,
        pytest.raises(SoftTimeLimit) as caught,
    ):
        connector.invoke("createChatCompletion", CHAT, to(server))
    pickled = pickle.dumps(caught.value)
    canary.assert_absent("the pickle", pickled)
    assert pickle.loads(pickled).connector_result.error.code == "cancelled"
