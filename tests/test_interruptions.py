"""Which exceptions were raised into a call, and which ones by the call itself."""

from __future__ import annotations

import collections
import ctypes
import functools
import gc
import itertools
import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
import urllib3
import yaml

from connector import Connector, ConnectorError
from connector.runtime import threads
from connector.runtime.interruptions import chain, find_external, is_external
from tests.support import canary
from tests.support.fault_server import FaultServer, chat_completion


class Foreign(Exception):
    """An exception of a library that the connector does not know."""


def caught(work: Callable[[], Any]) -> BaseException:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - that is what is looked at
        return error
    raise AssertionError("nothing was raised")


def raises(error: BaseException) -> Callable[[], Any]:
    def work() -> None:
        raise error

    return work


def raises_again() -> None:
    try:
        raise Foreign
    finally:
        len("the exception passes through here")


def unwinds() -> None:
    with threading.Lock():
        raise Foreign


FAILURES: dict[str, Callable[[], Any]] = {
    "a raise of ours": raises(KeyError("x")),
    "a raise of a library's class": raises(Foreign()),
    "one that is raised again": raises_again,
    "one that passes a context": unwinds,
    "a failure of the standard library": lambda: json.loads("{"),
    "a failure of an operator": lambda: 1 / 0,
    "a failure in C": lambda: int("x"),
    "a failure in compiled code": lambda: list(yaml.parse("{a: [", Loader=yaml.CSafeLoader)),
    "an error of ours": raises(ConnectorError("timeout", "x")),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_the_code_raised_itself_is_not_external(name: str) -> None:
    assert not is_external(caught(FAILURES[name]))


def test_an_exception_that_was_never_raised_is_not_external() -> None:
    assert not is_external(Foreign())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_that_is_not_an_exception_subclass_is_external(
    kind: type[BaseException],
) -> None:
    assert is_external(kind())


def library_error() -> Exception:
    """As urllib3 raises its own: with the traceback of what it stands for."""
    inner = caught(lambda: int("x"))
    return urllib3.exceptions.ProtocolError("aborted", inner).with_traceback(inner.__traceback__)


def test_an_error_with_the_traceback_of_another_is_not_external() -> None:
    assert not is_external(library_error())


def test_a_failure_of_a_c_library_counts_as_an_engines() -> None:
    """Nothing tells them apart; a handler that calls such a library catches its exceptions."""
    error = caught(lambda: jsonschema_rs.validator_for({"type": 7}))
    assert is_external(error) is (type(error).__module__.partition(".")[0] == "jsonschema_rs")


def spin() -> None:
    while True:
        pass


def call() -> None:
    def inner(_: int) -> None:
        text = "longer than the stub of compiled code"
        del text

    # From a loop in C, so that the only place to raise is where the function begins.
    collections.deque(map(inner, itertools.repeat(0)), maxlen=0)


def wait() -> None:
    while True:
        threading.Event().wait(0.001)


def is_running(work: Callable[[], None], ident: int) -> bool:
    """Whether the thread is in `work`: an exception raised earlier would end it before."""
    frame = sys._current_frames().get(ident)
    while frame is not None and frame.f_code is not work.__code__:
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize("work", [spin, call, wait])
@pytest.mark.parametrize("kind", [Foreign, RuntimeError])
def test_what_the_interpreter_raises_is_external(
    work: Callable[[], None], kind: type[Exception]
) -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(caught(work)))
    thread.start()
    assert thread.ident is not None
    while not is_running(work, thread.ident):
        threading.Event().wait(0.001)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(kind))
    thread.join()
    # Within a call into C a class of the standard library's cannot be told from its own failure.
    assert is_external(found[0]) or (kind is RuntimeError and work is wait)


def signalled(handler: Any) -> BaseException:
    old = signal.signal(signal.SIGUSR1, handler)
    try:
        return caught(lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, old)


class Forgetful:
    """A handler that is an object, and drops what it is given."""

    def __call__(self, number: int, frame: Any) -> None:
        del number, frame
        raise OSError("x")


class Handlers:
    """The shapes that handlers of signals have."""

    @staticmethod
    def plain(number: int, frame: Any) -> None:
        raise OSError(number)

    @staticmethod
    def of_any(*_: Any) -> None:
        raise OSError("x")

    @staticmethod
    def forgetful(number: int, frame: Any) -> None:
        del number, frame
        raise OSError("x")

    def method(self, number: int, frame: Any) -> None:
        raise OSError(number)

    def __call__(self, number: int, frame: Any) -> None:
        self.method(number, frame)


SHAPES: dict[str, Any] = {
    "plain": Handlers.plain,
    "any": Handlers.of_any,
    "method": Handlers().method,
    "object": Handlers(),
    "forgetful": Handlers.forgetful,
    "forgetful partial": functools.partial(Handlers.forgetful),
    "forgetful object": Forgetful(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_signal_handler_raises_is_external(shape: str) -> None:
    old = signal.signal(signal.SIGUSR1, SHAPES[shape])
    try:
        error = caught(lambda: signal.raise_signal(signal.SIGUSR1))
        assert is_external(error)
    finally:
        signal.signal(signal.SIGUSR1, old)
    # A handler that has been replaced is known by its argument, if it has kept that.
    assert is_external(error) is not shape.startswith("forgetful")


def test_a_function_that_is_given_another_frame_is_no_signal_handler() -> None:
    def looks_at(frame: Any) -> None:
        raise OSError(frame)

    def work() -> None:
        frame = sys._getframe(1)  # not its own: a signal's handler is given that of its caller
        looks_at(frame)

    assert not is_external(caught(work))


def test_an_external_exception_is_found_wherever_it_is_wrapped() -> None:
    inner = signalled(Handlers.plain)

    def by_cause() -> None:
        raise ValueError("x") from inner

    def by_context() -> None:
        try:
            raise inner
        except BaseException:  # noqa: BLE001 - any may be wrapped
            raise ValueError("x") from None

    for wrapper in (by_cause, by_context, raises(ValueError("x", inner))):
        assert find_external(caught(wrapper)) is inner
    reason = urllib3.exceptions.MaxRetryError(None, "/", reason=None)  # type: ignore[arg-type] # no pool
    reason.reason = inner  # type: ignore[assignment] # any exception
    assert find_external(reason) is inner
    assert find_external(caught(lambda: int("x"))) is None


def test_a_cyclic_chain_ends() -> None:
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one
    assert list(chain(one)) == [one, other]


def test_a_chain_names_what_is_wrapped_in_every_way() -> None:
    inner = [ValueError(str(number)) for number in range(4)]
    deeper = KeyError(inner[3])
    error = OSError(inner[0], deeper)
    error.__cause__, error.__context__ = inner[1], inner[2]
    assert list(chain(error)) == [error, inner[0], deeper, inner[1], inner[2], inner[3]]


@pytest.mark.parametrize("name", ["a raise of a library's class", "a failure in compiled code"])
def test_a_handlers_own_failure_is_an_internal_error(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        FAILURES[name]()

    monkeypatch.setattr("connector.actions.chat.choices", broken)
    with FaultServer({"json": chat_completion("Hi")}) as server:
        to = {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": server.url}}
        result = connector.invoke("createChatCompletion", {}, to)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("internal_error", "unknown")


def test_a_thread_that_could_not_start_is_not_reported_as_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever starts another one at the end of a thread would try forever."""
    ended: list[object] = []

    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", none)
    with pytest.raises(RuntimeError):
        threads.start(lambda: None, ended.append, lambda _: None)
    gc.collect()
    assert ended == []
