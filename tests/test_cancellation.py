"""Calls that another thread ends, at each stage."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connector import Cancellation, Connector
from connector.http import dialing
from connector.policy.clock import Clock
from tests.conftest import FakeClock
from tests.support import canary
from tests.support.fault_server import FaultServer, Received, SilentListener, chat_completion
from tests.support.front import connection, inputs_of
from tests.support.workers import left_behind
from tests.test_dialing import dead_port

CHAT = "createChatCompletion"
CALLS = [CHAT, "rawRequest", "createImage", "summarizeText"]


def outcome(result: Any) -> tuple[str, str, int]:
    assert result.error is not None, result.to_dict()
    return result.error.code, result.error.sent, result.meta["attempts"]


class Peer:
    """A server of one connection, which sends `sends` for a request and waits for the end."""

    def __init__(self, sends: bytes, then: Callable[[], None]) -> None:
        self._sends = sends
        self._then = then
        self.saw_end = False

    def __enter__(self) -> Peer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
        self._listener.close()

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        with sock:
            sock.settimeout(30)
            while b"\r\n\r\n" not in sock.recv(65536, socket.MSG_PEEK):
                pass
            sock.sendall(self._sends)
            self._then()
            try:
                while sock.recv(65536):
                    pass
                self.saw_end = True
            except ConnectionResetError:
                self.saw_end = True


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


@pytest.mark.parametrize("action", CALLS)
@pytest.mark.parametrize(
    "sends", [b"", HEAD[:20], HEAD, HEAD + b'{"a": '], ids=["nothing", "half", "head", "body"]
)
def test_a_call_that_waits_for_its_response(
    connector: Connector, action: str, sends: bytes
) -> None:
    cancel = Cancellation()
    with Peer(sends, cancel.cancel) as peer:
        result = connector.invoke(action, inputs_of(action), connection(peer.url), cancel=cancel)
    assert peer.saw_end
    assert outcome(result) == ("cancelled", "unknown", 1)
    assert result.error is not None
    assert result.error.retryable
    assert left_behind() == []
    assert cancel._deadlines == set()


@pytest.mark.parametrize("sends", [b"", HEAD])
def test_a_connection_test_and_a_data_source(connector: Connector, sends: bytes) -> None:
    calls: list[Callable[..., Any]] = [
        lambda given, cancel: connector.test_connection(given, cancel=cancel),
        lambda given, cancel: connector.options("selectModel", given, cancel=cancel),
    ]
    for call in calls:
        cancel = Cancellation()
        with Peer(sends, cancel.cancel) as peer:
            result = call(connection(peer.url), cancel)
        assert peer.saw_end
        assert outcome(result)[:2] == ("cancelled", "unknown")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("action", [*CALLS, "createCompletions"])
def test_a_call_that_is_cancelled_before_it_starts(
    connector: Connector, action: str, dry_run: bool
) -> None:
    cancel = Cancellation()
    assert not cancel.is_cancelled
    cancel.cancel()
    assert cancel.is_cancelled
    with SilentListener() as server:
        given = connection(server.url)
        result = connector.invoke(action, inputs_of(action), given, cancel=cancel, dry_run=dry_run)
        assert outcome(result) == ("cancelled", "no", 0)
        assert server.connections == 0


def test_a_call_that_connects_to_a_dead_address(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancellation()
    original = dialing._Race._start

    def start(race: Any, selector: Any) -> None:
        original(race, selector)
        cancel.cancel()

    monkeypatch.setattr(dialing._Race, "_start", start)
    with dead_port() as port:
        given = connection(f"http://127.0.0.1:{port}")
        result = connector.invoke(CHAT, inputs_of(CHAT), given, cancel=cancel)
    assert outcome(result) == ("cancelled", "no", 1)
    assert left_behind() == []


@pytest.mark.parametrize("action", CALLS)
def test_a_call_that_waits_before_a_retry(action: str) -> None:
    cancel = Cancellation()
    noted = FakeClock()

    def sleep(seconds: float, cancelled: Any) -> None:
        threading.Timer(0, cancel.cancel).start()
        assert cancelled.wait(60)

    clock = Clock(monotonic=noted.monotonic, sleep=sleep, today=noted.clock().today)
    inputs = inputs_of(action, **({"maxRetries": 3} if action == "rawRequest" else {}))
    with (
        Connector.load(clock=clock) as connector,
        FaultServer({"status": 503, "text": "x"}) as server,
    ):
        result = connector.invoke(action, inputs, connection(server.url), cancel=cancel)
        assert outcome(result) == ("cancelled", "rejected", 1)
        assert len(server.requests) == 1


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_fan_out_keeps_what_is_finished(connector: Connector, concurrency: int) -> None:
    cancel = Cancellation()
    prompts = [f"p{number}" for number in range(30)]

    def answer(received: Received, index: int) -> dict[str, Any]:
        if index < 10:
            content = received.json()["messages"][0]["content"]
            return {"json": chat_completion(content.upper())}
        cancel.cancel()
        return {"hang": True}

    inputs = {"model": "m", "messages": prompts, "concurrency": concurrency}
    with FaultServer(answer) as server:
        result = connector.invoke(
            "createCompletions", inputs, connection(server.url), cancel=cancel
        )
        assert left_behind() == []
        assert len(server.requests) <= 10 + concurrency
    code, sent, _ = outcome(result)
    assert (code, sent) == ("cancelled", "unknown")
    choices = result.to_dict()["data"]["choices"]
    done = [choice["text"] for choice in choices if choice["text"] is not None]
    assert len(choices) == 30
    assert 10 - concurrency < len(done) <= 10
    assert set(done) <= {prompt.upper() for prompt in prompts}
    failed = [choice["error"]["code"] for choice in choices if choice["text"] is None]
    assert set(failed) == {"cancelled"}


def test_progress_may_cancel(connector: Connector) -> None:
    """It is told on a thread of the call itself."""
    cancel = Cancellation()
    inputs = {"model": "m", "messages": list("abcdef"), "concurrency": 1}
    with FaultServer({"json": chat_completion("Hi")}) as server:
        result = connector.invoke(
            "createCompletions",
            inputs,
            connection(server.url),
            cancel=cancel,
            progress=lambda done, _: cancel.cancel() if done == 3 else None,
        )
        assert len(server.requests) == 3
    assert outcome(result)[:2] == ("cancelled", "unknown")
    texts = [choice["text"] for choice in result.to_dict()["data"]["choices"]]
    assert texts == ["Hi"] * 3 + [None] * 3


def test_a_call_that_has_ended_is_left_alone(connector: Connector) -> None:
    cancel = Cancellation()
    with FaultServer({"json": chat_completion("Hi")}) as server:
        given = connection(server.url)
        first = connector.invoke(CHAT, inputs_of(CHAT), given, cancel=cancel)
        before = first.to_dict()
        assert cancel._deadlines == set()
        cancel.cancel()
        cancel.cancel()
        assert first.ok
        assert first.to_dict() == before
        assert connector.invoke(CHAT, inputs_of(CHAT), given).ok
        assert server.connections == 1  # its socket serves on
        late = connector.invoke(CHAT, inputs_of(CHAT), given, cancel=cancel)
        assert outcome(late) == ("cancelled", "no", 0)


@contextmanager
def calls(
    connector: Connector, server: FaultServer, cancels: list[Cancellation]
) -> Iterator[tuple[list[Any], list[threading.Thread]]]:
    """Run a call for each cancellation, each of which waits for its response; yield their threads
    and the list of their results, which is complete when the block ends."""
    results: list[Any] = [None] * len(cancels)
    given = connection(server.url)

    def work(number: int) -> None:
        results[number] = connector.invoke(CHAT, inputs_of(CHAT), given, cancel=cancels[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(cancels))]
    for thread in threads:
        thread.start()
    assert server.wait_for_requests(len(cancels))
    yield results, threads
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_one_cancellation_ends_all_its_calls_from_many_threads_at_once(
    connector: Connector,
) -> None:
    cancel, barrier = Cancellation(), threading.Barrier(16)

    def end() -> None:
        barrier.wait(60)
        cancel.cancel()

    with FaultServer({"hang": True}) as server:
        with calls(connector, server, [cancel] * 8) as (results, _):
            threads = [threading.Thread(target=end) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert [outcome(result) for result in results] == [("cancelled", "unknown", 1)] * 8
    assert cancel._deadlines == set()
    assert left_behind() == []


def test_a_cancellation_ends_no_other_call(connector: Connector) -> None:
    mine, others = Cancellation(), Cancellation()
    go = threading.Event()

    def answer(_: Received, __: int) -> dict[str, Any]:
        assert go.wait(60)
        return {"json": chat_completion("Hi")}

    with (
        FaultServer(answer) as server,
        calls(connector, server, [mine, others, others]) as (results, threads),
    ):
        mine.cancel()
        threads[0].join(60)
        assert results[1:] == [None, None]
        go.set()
    assert outcome(results[0]) == ("cancelled", "unknown", 1)
    assert [result.ok for result in results[1:]] == [True, True]


def test_a_cancelled_call_shows_no_key(connector: Connector) -> None:
    cancel = Cancellation()
    with canary.all_logs() as logs, Peer(HEAD, cancel.cancel) as peer:
        given = connection(peer.url, apiKey=canary.KEY)
        result = connector.invoke(CHAT, inputs_of(CHAT), given, cancel=cancel)
        call = canary.Opaque(lambda: connector.call(CHAT, inputs_of(CHAT), given, cancel=cancel))
        canary.assert_absent("a traceback with locals", call.traceback())
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)
    canary.assert_absent("the logs", logs.getvalue())
