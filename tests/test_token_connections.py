"""A kind of connection that fetches a token once, renews it once, and shows it nowhere.

Two servers on loopback: the token's host and the provider.
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connector import Cancellation, Connector
from connector.policy.deadline import Deadline
from connector.providers import api_key
from connector.providers.authentication import Token, TokenAuthentication
from connector.providers.openai import openai
from connector.providers.tokens import TokenClient
from tests.conftest import FakeClock
from tests.second.handlers import client as kind
from tests.support import canary
from tests.support.fault_server import FaultServer, Received, ca_file, refused_port
from tests.support.front import connection, inputs_of
from tests.support.workers import left_behind
from tests.test_engines import SoftTimeLimit, raise_in, signal_raises
from tests.test_second_connector import FOLDER

Row = dict[str, Any]
SECRET = canary.KEY
TOKEN = "token-CANARY-"
VECTORS = {"json": {"data": [{"index": 0, "embedding": [0.5]}], "model": "m"}}
UNAUTHORIZED = {"status": 401, "json": {"error": {"message": "Bad token.", "code": "invalid"}}}
INPUTS = {"texts": ["tide"]}


@pytest.fixture
def second(fake_clock: FakeClock) -> Iterator[Connector]:
    with Connector.load(
        FOLDER / "connector.yaml", handlers="tests.second.handlers", clock=fake_clock.clock()
    ) as made:
        yield made


class TokenTime:
    """The time by which tokens expire."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def token_time(monkeypatch: pytest.MonkeyPatch) -> TokenTime:
    made = TokenTime()
    monkeypatch.setattr(kind, "now", made)
    return made


def token(number: int = 0, **more: Any) -> Row:
    return {"json": {"access_token": f"{TOKEN}{number}", "expires_in": 3600, **more}}


def numbered(_: Received, index: int) -> Row:
    """A new token for each request."""
    return token(index)


def to(tokens: FaultServer | str, provider: FaultServer | str, **more: str) -> Row:
    url = tokens if isinstance(tokens, str) else f"{tokens.url}/oauth/token"
    endpoint = provider if isinstance(provider, str) else provider.url
    fields = {"clientId": "me", "clientSecret": SECRET, "tokenUrl": url, "endpoint": endpoint}
    return {"key": "client", "fields": {**fields, **more}}


def used(provider: FaultServer) -> list[str | None]:
    """The credentials of the requests to the provider."""
    return [request.header("authorization") for request in provider.requests]


def bearer(*numbers: int) -> list[str]:
    return [f"Bearer {TOKEN}{number}" for number in numbers]


def outcome(result: Any) -> tuple[str, str, int, bool]:
    assert result.error is not None, result.to_dict()
    error = result.error
    return error.code, error.sent, result.meta["attempts"], error.retryable


# Fetched, kept, renewed


def test_a_token_is_fetched_with_the_clients_credentials_and_sent_to_the_provider_only(
    second: Connector,
) -> None:
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider))
        assert result.ok, result.to_dict()
        assert (result.meta["attempts"], result.data) == (1, [[0.5]])
        (fetch,), (request,) = tokens.requests, provider.requests
    assert (fetch.method, fetch.target) == ("POST", "/oauth/token")
    assert parse_qs(fetch.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": [SECRET],
    }
    assert fetch.header("content-type") == "application/x-www-form-urlencoded"
    assert fetch.header("authorization") is None
    assert request.header("authorization") == f"Bearer {TOKEN}0"
    canary.assert_absent("the provider's request", repr(request))
    assert TOKEN not in repr(fetch)


def test_tokens_come_through_the_connections_proxy(second: Connector) -> None:
    def proxied(received: Received, _: int) -> Row:
        return token() if received.target == "http://tokens.internal/t" else VECTORS

    with FaultServer(proxied) as server:
        proxy = f"http://{canary.PROXY_USER}:{canary.PROXY_PASSWORD}@127.0.0.1:{server.port}"
        connection = to("http://tokens.internal/t", "http://provider.internal", proxy=proxy)
        result = second.invoke("embed", INPUTS, connection)
        assert result.ok, result.to_dict()
        fetch, request = server.requests
    assert fetch.header("proxy-authorization") == request.header("proxy-authorization") is not None
    assert request.target == "http://provider.internal/v1/embeddings"


@pytest.mark.parametrize("path", ["/t", "/v1/embeddings"])
def test_a_proxy_of_a_token_connection_that_quotes_its_login(second: Connector, path: str) -> None:
    login = f"{canary.PROXY_USER}:{canary.PROXY_PASSWORD}"

    def proxied(received: Received, _: int) -> Row:
        if received.target.endswith(path):
            return {"status": 400, "json": {"error": f"not {login}"}}
        return token()

    with FaultServer(proxied) as server:
        proxy = f"http://{login}@127.0.0.1:{server.port}"
        connection = to("http://tokens.internal/t", "http://provider.internal", proxy=proxy)
        result = second.invoke("embed", INPUTS, connection)
    assert "not ***" in result.to_dict()["error"]["message"]
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)


def test_an_invalid_proxy_address_is_refused_for_tokens_too(second: Connector) -> None:
    connection = to("http://tokens.internal/t", "http://127.0.0.1:9", proxy="ftp://h")
    result = second.invoke("embed", INPUTS, connection)
    assert outcome(result) == ("invalid_connection", "no", 0, False)


@pytest.mark.parametrize("trusted", [True, False])
def test_the_tokens_host_is_verified_with_the_authorities_of_the_connection(
    second: Connector, tmp_path: Path, trusted: bool
) -> None:
    with FaultServer(token(), tls="good") as tokens, FaultServer(VECTORS, tls="good") as provider:
        more = {"caFile": str(ca_file(tmp_path))} if trusted else {}
        result = second.invoke("embed", INPUTS, to(tokens, provider, **more))
        if trusted:
            assert result.ok, result.to_dict()
        else:
            assert outcome(result) == ("tls_error", "no", 0, False)


def test_threads_that_start_together_share_one_fetch(second: Connector) -> None:
    count = 50
    barrier = threading.Barrier(count)
    results: list[Any] = []
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)

        def work() -> None:
            barrier.wait(60)
            results.append(second.invoke("embed", INPUTS, connection))

        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(tokens.requests) == 1
        assert used(provider) == bearer(0) * count
    assert [result.ok for result in results] == [True] * count


def test_a_token_is_kept_until_shortly_before_it_expires(
    second: Connector, token_time: TokenTime
) -> None:
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)
        for seconds in (0, 3539, 1):  # a minute before the hour is over
            token_time.seconds += seconds
            assert second.invoke("embed", INPUTS, connection).ok
        assert used(provider) == bearer(0, 0, 1)
        assert len(tokens.requests) == 2


@pytest.mark.parametrize(
    ("expires_in", "fetches"),
    [
        (None, 1),
        ("3600", 1),
        ("soon", 1),
        ("nan", 1),
        ([1], 1),
        (10**400, 1),
        (0, 3),
        (-1, 3),
        ("0", 3),
    ],
)
def test_a_token_without_a_lifetime_is_kept_and_an_expired_one_is_used_once(
    second: Connector, token_time: TokenTime, expires_in: Any, fetches: int
) -> None:
    """The host that hands out dead tokens is not asked without end."""
    answer = token(0, expires_in=expires_in)
    with FaultServer(answer) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)
        for _ in range(3):
            token_time.seconds += 1
            assert second.invoke("embed", INPUTS, connection, timeout_ms=30_000).ok
        assert len(tokens.requests) == fetches
        assert used(provider) == bearer(0) * 3


def test_a_refused_token_is_renewed_once_and_the_attempt_repeated(
    second: Connector, fake_clock: FakeClock
) -> None:
    with FaultServer(numbered) as tokens, FaultServer([UNAUTHORIZED, VECTORS]) as provider:
        connection = to(tokens, provider)
        result = second.invoke("embed", INPUTS, connection)
        assert result.ok, result.to_dict()
        assert result.meta["attempts"] == 2
        assert second.invoke("embed", INPUTS, connection).ok
        assert used(provider) == bearer(0, 1, 1)
        assert len(tokens.requests) == 2
    assert fake_clock.sleeps == []


def test_a_token_that_is_refused_again_is_final(second: Connector) -> None:
    with FaultServer(numbered) as tokens, FaultServer(UNAUTHORIZED) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider))
        assert outcome(result) == ("authentication_failed", "rejected", 2, False)
        assert used(provider) == bearer(0, 1)
        assert len(tokens.requests) == 2


@pytest.mark.parametrize("action", ["rawRequest", "createChatCompletion"])
def test_a_401_that_is_retried_renews_the_token_once(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    numbers = itertools.count()

    def connect(fields: Row) -> Any:
        return openai(fields), TokenAuthentication(lambda _: Token(f"{TOKEN}{next(numbers)}"))

    monkeypatch.setattr(api_key, "connect", connect)
    answer = {**UNAUTHORIZED, "headers": {"x-should-retry": "true"}}
    retries = {"retryAllErrors": True, "maxRetries": 2} if action == "rawRequest" else {}
    with FaultServer(answer) as server:
        for _ in range(2):
            result = connector.invoke(action, inputs_of(action, **retries), connection(server.url))
            assert outcome(result)[:3] == ("authentication_failed", "rejected", 4)
        assert used(server) == bearer(0, 1, 1, 1, 1, 2, 2, 2)


def test_threads_whose_token_was_refused_share_the_next_one(second: Connector) -> None:
    count = 8
    all_there = threading.Barrier(count)

    def provide(received: Received, _: int) -> Row:
        if received.header("authorization") == f"Bearer {TOKEN}0":
            all_there.wait(60)  # all have sent the old token before one is refused
            return UNAUTHORIZED
        return VECTORS

    results: list[Any] = []
    with FaultServer(numbered) as tokens, FaultServer(provide) as provider:
        connection = to(tokens, provider)
        threads = [
            threading.Thread(
                target=lambda: results.append(second.invoke("embed", INPUTS, connection))
            )
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(tokens.requests) == 2
    assert [result.ok for result in results] == [True] * count
    assert {result.meta["attempts"] for result in results} == {2}


def test_the_end_of_a_connector_closes_the_sockets_to_both_hosts(second: Connector) -> None:
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        assert second.invoke("embed", INPUTS, to(tokens, provider)).ok
        second.close()
        for server in (tokens, provider):
            (thread,) = server._threads  # of its only connection
            thread.join(60)
            assert not thread.is_alive()


def test_connections_that_are_made_at_once_close_all_their_sockets(
    second: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, original, used_one = threading.Barrier(2), TokenClient.__init__, threading.Event()

    def at_once(self: TokenClient, *args: Any) -> None:
        if both.wait(60) == 0:
            used_one.wait(60)  # this client is made when the other one has a socket
        original(self, *args)

    def work(connection: Row) -> None:
        second.invoke("embed", INPUTS, connection)
        used_one.set()

    monkeypatch.setattr(TokenClient, "__init__", at_once)
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        threads = [
            threading.Thread(target=work, args=(to(tokens, f"{provider.url}/{n}"),))
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (tokens.connections, provider.connections) == (2, 2)
        in_use = list(second._connections._ready.values())  # as by a call that has not ended
        second.close()
        for served in [*tokens._threads, *provider._threads]:
            served.join(10)
            assert not served.is_alive()
        assert in_use


# What goes wrong at the token's host


BAD: dict[str, tuple[Row, bool]] = {
    "the client is unknown": ({"status": 401, "json": {"error": "invalid_client"}}, False),
    "the grant is bad": ({"status": 400, "json": {"error": f"bad {SECRET}"}}, False),
    "it is forbidden": ({"status": 403, "text": SECRET}, False),
    "another host": ({"redirect": "http://127.0.0.1:1/x"}, False),
    "no such path": ({"status": 404, "text": "none"}, False),
    "HTML": ({"text": "<html>Sign in</html>", "headers": {"content-type": "text/html"}}, False),
    "no object": ({"json": ["a"]}, False),
    "no token": ({"json": {"expires_in": 1}}, False),
    "a token of another type": ({"json": {"access_token": 5}}, False),
    "a token that no header carries": ({"json": {"access_token": "a\r\nx: y"}}, False),
    "a token of other characters": ({"json": {"access_token": "ключ-ключ"}}, False),
    "too large": ({"repeat": {"text": "x", "times": 2 << 20}}, False),
    "a failure": ({"status": 500, "text": "x"}, True),
    "a proxy's failure": ({"status": 502, "text": "<html>"}, True),
    "too many requests": ({"status": 429, "text": "x"}, True),
    "a reset": ({"reset": "after_request"}, True),
}
CODES = {
    "another host": "unexpected_redirect",
    "no such path": "not_found",
    "too large": "response_too_large",
    "a failure": "server_error",
    "a proxy's failure": "server_error",
    "too many requests": "rate_limited",
    "a reset": "connection_lost",
    "the client is unknown": "authentication_failed",
    "the grant is bad": "authentication_failed",
    "it is forbidden": "authentication_failed",
}


@pytest.mark.parametrize("name", BAD)
def test_a_failure_of_the_tokens_host_sends_nothing(second: Connector, name: str) -> None:
    answer, retryable = BAD[name]
    with FaultServer(answer) as tokens, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider))
        assert outcome(result) == (CODES.get(name, "invalid_response"), "no", 0, retryable)
        assert provider.requests == []
        assert len(tokens.requests) == (3 if retryable else 1)
    for where, content in canary.everything_of(result):
        canary.assert_absent(where, content)


def test_a_tokens_host_that_is_down(second: Connector) -> None:
    with refused_port() as port, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(f"http://127.0.0.1:{port}/t", provider))
        assert outcome(result) == ("connect_failed", "no", 0, True)
        assert provider.requests == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://tokens.example.com/t", "invalid_connection"),
        ("https://169.254.169.254/t", "blocked_target"),
        ("ftp://tokens.example.com", "invalid_connection"),
    ],
)
def test_a_tokens_address_is_checked_as_an_endpoint_is(
    second: Connector, url: str, code: str
) -> None:
    with FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(url, provider))
        assert outcome(result) == (code, "no", 0, False)
        assert provider.requests == []


def test_a_tokens_host_recovers(second: Connector, fake_clock: FakeClock) -> None:
    answers = [{"status": 503, "headers": {"retry-after": "7"}, "text": "x"}, token(5)]
    with FaultServer(answers) as tokens, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider))
        assert result.ok, result.to_dict()
        assert (result.meta["attempts"], used(provider)) == (1, bearer(5))
    assert fake_clock.sleeps == [7.0]


def test_a_slow_tokens_host_counts_against_the_deadline(second: Connector) -> None:
    with FaultServer({"hang": True}) as tokens, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider), timeout_ms=200)
        assert outcome(result) == ("deadline_exceeded", "no", 0, True)
        assert provider.requests == []


def test_a_renewal_that_fails_keeps_what_was_sent(second: Connector) -> None:
    answers = [token(0), {"status": 400, "json": {"error": "invalid_client"}}]
    with FaultServer(answers) as tokens, FaultServer(UNAUTHORIZED) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider))
        assert outcome(result) == ("authentication_failed", "rejected", 1, False)


# Shown nowhere


def assert_hidden(where: str, content: str | bytes) -> None:
    canary.assert_absent(where, content)
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    assert TOKEN not in text, f"a token is in {where}: {text[:2000]}"


def test_no_token_and_no_secret_is_shown(second: Connector, token_time: TokenTime) -> None:
    """Of the present token and of those before it."""

    def provide(received: Received, index: int) -> Row:
        said = f"{received.header('authorization')} {TOKEN}0 {TOKEN}1 {SECRET}"
        if index < 2:
            return {"status": 401, "json": {"error": {"message": said, "code": said}}}
        if index == 2:
            return {"status": 400, "json": {"error": {"message": said, "param": said}}}
        headers = {"x-request-id": said}
        return {"json": {"data": [{"index": 0, "embedding": said}]}, "headers": headers}

    with (
        canary.all_logs() as logs,
        FaultServer(numbered) as tokens,
        FaultServer(provide) as provider,
    ):
        connection = to(tokens, provider)
        results = [second.invoke("embed", INPUTS, connection) for _ in range(3)]
        assert [result.ok for result in results] == [False] * 3
        shown = canary.Opaque(lambda: second.call("embed", INPUTS, connection)).traceback()
        assert "ConnectorError" in shown
        assert_hidden("a traceback with locals", shown)
    for result in results:
        for where, content in canary.everything_of(result):
            assert_hidden(where, content)
    assert "/oauth/token" in logs.getvalue()
    assert_hidden("the logs", logs.getvalue())


def test_what_holds_a_token_does_not_show_it(token_time: TokenTime) -> None:
    made = Token(f"{TOKEN}0", 5)
    authentication = TokenAuthentication(lambda _: made, SECRET)
    credentials = authentication.credentials(Deadline(60))
    for value in (made, authentication, credentials, authentication.secret):
        assert_hidden("a repr", repr(value))
        assert_hidden("a text", str(value))
    with pytest.raises(TypeError):
        pickle.dumps(credentials)


def test_a_dry_run_fetches_no_token(second: Connector) -> None:
    with FaultServer(numbered) as tokens, FaultServer(VECTORS) as provider:
        result = second.invoke("embed", INPUTS, to(tokens, provider), dry_run=True)
        assert result.ok
        assert result.data["headers"]["Authorization"] == "Bearer ***"
        assert (tokens.connections, provider.connections) == (0, 0)
    assert_hidden("the dry run", json.dumps(result.to_dict()))


# Ended from outside


class Held:
    """A token host that never answers its first request."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, _: Received, index: int) -> Row:
        if index == 0:
            self.begun.set()
            return {"hang": True}
        return token(index)


@pytest.mark.parametrize("how", ["cancel", "deadline", "engine"])
def test_a_call_that_ends_during_its_fetch_breaks_no_other(second: Connector, how: str) -> None:
    held = Held()
    cancel = Cancellation()
    ended: list[Any] = []
    others: list[Any] = []
    timeout = 300 if how == "deadline" else None
    with FaultServer(held) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)

        def fetches() -> None:
            try:
                ended.append(
                    second.invoke("embed", INPUTS, connection, cancel=cancel, timeout_ms=timeout)
                )
            except SoftTimeLimit as error:
                ended.append(error.connector_result)  # type: ignore[attr-defined] # of ours

        first = threading.Thread(target=fetches)
        first.start()
        assert held.begun.wait(60)
        waiting = [
            threading.Thread(
                target=lambda: others.append(second.invoke("embed", INPUTS, connection))
            )
            for _ in range(5)
        ]
        for thread in waiting:
            thread.start()
        if how == "cancel":
            cancel.cancel()
        if how == "engine":
            assert first.ident is not None
            raise_in(first.ident, SoftTimeLimit)
        for thread in [first, *waiting]:
            thread.join(60)
            assert not thread.is_alive()
        assert [result.ok for result in others] == [True] * 5
        assert used(provider) == bearer(1) * 5
        assert len(tokens.requests) == 2
    assert left_behind() == []
    code = "deadline_exceeded" if how == "deadline" else "cancelled"
    assert outcome(ended[0]) == (code, "no", 0, True)


def test_a_call_that_waits_for_anothers_fetch_can_be_cancelled(second: Connector) -> None:
    held = Held()
    first_cancel, second_cancel = Cancellation(), Cancellation()
    results: dict[str, Any] = {}
    with FaultServer(held) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)

        def call(name: str, cancel: Cancellation) -> None:
            results[name] = second.invoke("embed", INPUTS, connection, cancel=cancel)

        first = threading.Thread(target=call, args=("first", first_cancel))
        first.start()
        assert held.begun.wait(60)
        other = threading.Thread(target=call, args=("second", second_cancel))
        other.start()
        second_cancel.cancel()
        other.join(60)
        assert outcome(results["second"]) == ("cancelled", "no", 0, True)
        assert first.is_alive()
        first_cancel.cancel()
        first.join(60)
        assert len(tokens.requests) == 1
    assert outcome(results["first"]) == ("cancelled", "no", 0, True)


def test_a_signal_during_a_fetch_reaches_the_engine_and_shows_nothing(second: Connector) -> None:
    with (
        signal_raises(SoftTimeLimit) as fire,
        FaultServer(lambda _, __: fire() or {"hang": True}) as tokens,
        FaultServer(VECTORS) as provider,
    ):
        connection = to(tokens, provider)
        shown = canary.Opaque(lambda: second.invoke("embed", INPUTS, connection)).traceback()
    assert "SoftTimeLimit" in shown
    assert_hidden("a traceback with locals", shown)


class Table(dict[int, Any]):
    """The fetches under way; a step of its first user ends as if an engine had ended it there."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step

    def _end(self, step: str) -> None:
        if step == self._step:
            self._step = ""
            raise SoftTimeLimit

    def setdefault(self, pid: int, fetch: Any = None) -> Any:
        found = super().setdefault(pid, fetch)
        self._end("begin")
        return found

    def pop(self, pid: int, *default: Any) -> Any:
        found = super().pop(pid, *default)
        self._end("finish")
        return found


def use(authentication: TokenAuthentication, got: list[str]) -> threading.Thread:
    """Get a token in another thread, whose deadline is ended as an invocation does it."""

    def work() -> None:
        deadline = Deadline(60)
        try:
            got.append(authentication.credentials(deadline).secret.reveal())
        except SoftTimeLimit as end:
            deadline.end(end)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("step", ["begin", "finish"])
def test_a_fetch_whose_thread_ends_at_once_blocks_no_other(step: str) -> None:
    """Where others know of the fetch and nothing guards it yet, or no longer."""
    fetched, go = threading.Event(), threading.Event()

    def fetch(_: Deadline) -> Token:
        fetched.set()
        assert go.wait(60)
        return Token(f"{TOKEN}0")

    authentication = TokenAuthentication(fetch)
    authentication._fetches = Table(step)
    first: list[str] = []
    second: list[str] = []
    threads = [use(authentication, first)]
    if step == "begin":
        threads[0].join(60)
    else:
        assert fetched.wait(60)
    threads.append(use(authentication, second))
    go.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert (first, second) == ([], [f"{TOKEN}0"])


def test_a_thread_that_arrives_just_after_a_fetch_uses_its_token() -> None:
    """It found no token, and when it begins a fetch of its own there is one."""

    class Late(dict[int, Any]):
        is_late = True

        def setdefault(self, pid: int, fetch: Any = None) -> Any:
            if self.is_late:
                self.is_late = False
                authentication.credentials(Deadline(60))
            return super().setdefault(pid, fetch)

    tokens = [Token(f"{TOKEN}0"), Token(f"{TOKEN}1")]
    authentication = TokenAuthentication(lambda _: tokens.pop(0))
    authentication._fetches = Late()
    assert authentication.credentials(Deadline(60)).secret.reveal() == f"{TOKEN}0"
    assert len(tokens) == 1


def test_a_child_that_is_forked_during_a_fetch_fetches_its_own(second: Connector) -> None:
    held = Held()
    cancel = Cancellation()
    with FaultServer(held) as tokens, FaultServer(VECTORS) as provider:
        connection = to(tokens, provider)
        thread = threading.Thread(
            target=lambda: second.invoke("embed", INPUTS, connection, cancel=cancel)
        )
        thread.start()
        assert held.begun.wait(60)
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            ok = False
            try:
                ok = second.invoke("embed", INPUTS, connection).ok
            finally:
                os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert used(provider) == bearer(1)
        cancel.cancel()
        thread.join(60)
        assert not thread.is_alive()


# Pauses


def test_a_429_before_and_after_a_renewal_is_one_pause(
    second: Connector, fake_clock: FakeClock
) -> None:
    """It holds back who uses the same client, whatever token that one has."""
    limited = {"status": 429, "headers": {"retry-after": "9"}, "json": {"error": {}}}
    answers: list[Any] = [limited, UNAUTHORIZED, VECTORS]
    with FaultServer(numbered) as tokens, FaultServer(answers) as provider:
        connection = to(tokens, provider)
        first = second.invoke("embed", INPUTS, connection, max_retries=0)
        assert outcome(first) == ("rate_limited", "rejected", 1, True)
        assert fake_clock.sleeps == []
        assert second.invoke("embed", INPUTS, connection).ok
    assert [round(seconds) for seconds in fake_clock.sleeps] == [9]
