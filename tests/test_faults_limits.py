"""Limits of memory, of the retries of a process, of files, and of time."""

from __future__ import annotations

import base64
import collections
import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.actions import raw
from connector.http import body
from connector.policy import budget
from tests.conftest import FakeClock
from tests.support import canary
from tests.support.fault_server import FaultServer, chat_completion

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
BINARY = {"method": "GET", "responseType": "binary"}
MIB = 1 << 20


def fields(url: str, **more: Any) -> dict[str, Any]:
    return {"fields": {"apiKey": canary.KEY, "isOpenAIKey": True, "endpoint": url, **more}}


# Memory

MEASURE = """
import resource, sys
from connector import Connector
url, action, out = sys.argv[1:4]
connection = {"fields": {"apiKey": "sk-0123456789", "isOpenAIKey": True, "endpoint": url}}
inputs = {"method": "GET", "responseType": "binary"} if action == "rawRequest" else {
    "model": "m", "messages": [{"role": "user", "content": "Hi"}]}
connector = Connector.load()
connector.invoke("rawRequest", {"method": "GET", "url": "/warm"}, connection)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = connector.invoke(action, inputs, connection, output=out or None)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result.error.code if result.error else "ok", after - before)
"""


def growth(answer: dict[str, Any], action: str, out: str = "") -> tuple[str, int]:
    """What became of an action, and by how many bytes a process of its own grew for it."""
    with FaultServer([{"json": 1}, answer]) as server:
        words = [sys.executable, "-c", MEASURE, server.url, action, out]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    code, kib = done.stdout.split()
    return code, int(kib) * 1024


@pytest.mark.parametrize("action", ["createChatCompletion", "rawRequest"])
def test_a_decompression_bomb_stops_with_bounded_memory(action: str) -> None:
    code, grown = growth({"gzip_bomb": 200_000_000}, action)
    assert code == "response_too_large"
    assert grown < 48 * MIB


def test_a_decompression_bomb_as_an_error_is_read_to_the_limit_of_errors() -> None:
    code, grown = growth({"status": 400, "gzip_bomb": 200_000_000}, "createChatCompletion")
    assert code == "bad_request"
    assert grown < 16 * MIB


def test_a_decompression_bomb_does_not_reach_the_file(tmp_path: Path) -> None:
    code, grown = growth({"gzip_bomb": 200_000_000}, "rawRequest", str(tmp_path / "out"))
    assert code == "response_too_large"
    assert grown < 16 * MIB
    assert list(tmp_path.iterdir()) == []


def test_a_response_full_of_escapes_is_searched_with_bounded_memory() -> None:
    body = {"before": '{"choices": "', "text": "ab%41", "times": 2 * MIB, "after": '"}'}
    code, grown = growth({"repeat": body}, "createChatCompletion")
    assert code == "invalid_response"
    assert grown < 6 * 10 * MIB


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    body = {"repeat": {"text": "0123456789abcdef", "times": 4 * MIB}}
    code, grown = growth(body, "rawRequest", str(tmp_path / "out"))
    assert code == "ok"
    assert grown < 16 * MIB
    assert (tmp_path / "out").stat().st_size == 64 * MIB


@pytest.mark.parametrize("coding", [{}, {"gzip": True}, {"chunked": True}, {"no_length": True}])
def test_the_limit_of_the_manifest_is_exact(
    coding: dict[str, Any],
) -> None:
    connector = Connector.load()
    policies = connector.manifest.policies._replace(max_response_bytes=1000)
    connector.catalog.manifest = connector.manifest._replace(policies=policies)
    for size, code in ((1000, None), (1001, "response_too_large")):
        body = {"repeat": {"text": "x", "times": size}}
        with FaultServer({**body, **coding}) as server:
            result = connector.invoke("rawRequest", BINARY, fields(server.url))
        assert (result.error.code if result.error else None) == code
    connector.close()


def test_well_compressed_responses_that_are_no_bombs(connector: Connector) -> None:
    rows = {"repeat": {"text": '{"object": "model", "id": "a"}\n', "times": 300_000}}
    with FaultServer({**rows, "gzip": True}) as server:
        result = connector.invoke(
            "rawRequest", {"method": "GET", "responseType": "text"}, fields(server.url)
        )
    assert result.ok, result.error
    assert len(result.data) == 300_000 * 31


# The budget


def test_an_outage_does_not_multiply_the_traffic(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of N invocations at most N + capacity / cost requests, whatever each of them may repeat."""
    monkeypatch.setattr(budget, "_budgets", {})
    count = 150
    with FaultServer({"status": 503}) as server:
        results = [
            connector.invoke("createChatCompletion", CHAT, fields(server.url)) for _ in range(count)
        ]
        assert len(server.requests) == count + 500 // 5
    assert {result.error.code for result in results if result.error} == {"server_error"}
    assert results[0].meta["attempts"] == 3
    assert results[-1].meta["attempts"] == 1
    assert "retry budget" in results[-1].meta["warnings"][0]


def test_the_budget_is_shared_by_connectors_connections_and_actions(
    connector: Connector, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_budgets", {})
    other = Connector.load(clock=fake_clock.clock())
    with FaultServer({"status": 503}) as server:
        raw = {"method": "GET", "maxRetries": 100}
        first = connector.invoke("rawRequest", raw, fields(server.url))
        second = other.invoke("createChatCompletion", CHAT, fields(server.url, isOpenAIKey=False))
    other.close()
    assert (first.meta["attempts"], second.meta["attempts"]) == (101, 1)


def test_success_fills_the_budget_again(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_budgets", {})
    with FaultServer([{"status": 503}, {"json": chat_completion()}]) as server:
        connector.invoke("createChatCompletion", CHAT, fields(server.url))
        (bucket,) = budget._budgets.values()
        assert bucket.tokens == 500
        bucket.tokens = 3
        for _ in range(2):
            connector.invoke("createChatCompletion", CHAT, fields(server.url))
        assert bucket.tokens == 5


def test_the_budgets_of_many_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_budgets", {})
    for number in range(1000):
        budget.shared(f"https://{number}.example", 500, 5)
    assert len(budget._budgets) == 256


# Compression


def members(content: bytes, count: int) -> dict[str, Any]:
    body = base64.b64encode(gzip.compress(content, mtime=0) * count).decode()
    return {"body_base64": body, "encoding": "gzip"}


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "a byte each"])
def test_gzip_with_endless_empty_members_is_refused(connector: Connector, content: bytes) -> None:
    with FaultServer(members(content, 80_000)) as server:
        result = connector.invoke("rawRequest", BINARY, fields(server.url))
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("protocol_error", "unknown")


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"", gzip.compress(b"", mtime=0)),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0\0\0\xff\xff"),
        (b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"name"),
    ],
    ids=["members", "blocks", "a name"],
)
def test_endless_empty_compression_is_given_up(start: bytes, unit: bytes) -> None:
    read: list[int] = []

    class Endless:
        length = None

        def read(self, size: int) -> bytes:
            read.append(size)
            assert sum(read) < 4 * MIB
            return start + unit * (size // len(unit)) if len(read) == 1 else unit * 10_000

    with pytest.raises(ValueError, match="larger than what it holds"):
        body.whole(Endless(), {"content-encoding": "gzip"}, 1 << 40)


def test_gzip_of_many_small_members_is_read(connector: Connector) -> None:
    with FaultServer(members(b"0123456789abcdef" * 4, 30_000)) as server:
        result = connector.invoke(
            "rawRequest", {"method": "GET", "responseType": "text"}, fields(server.url)
        )
    assert result.ok, result.error
    assert len(result.data) == 64 * 30_000


# Inputs


class Counted(collections.deque[Any]):
    """Counts what is taken off its front, at a cost that does not depend on its length."""

    taken = 0

    def popleft(self) -> Any:
        Counted.taken += 1
        return super().popleft()


def test_many_files_of_one_key_take_their_names_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "deque", Counted)
    count = 1000
    pair = {"key": "a", "value": "x"}
    inputs = {
        "fileData": [pair] * count,
        "fileDataFileNames": [pair] * (count - 2) + [{**pair, "value": "last"}],
    }
    problems: list[dict[str, str]] = []
    names = [name for _, (name, _, _) in raw._file_parts(inputs, (), problems)]
    assert (names[-3:], problems) == (["x", "last", "last"], [])
    assert Counted.taken == count - 2
