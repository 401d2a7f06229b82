"""Rows that workers call: a coordinator gives them chunks, whoever dies in between."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from connector import Connector
from connector.doors.bulk.chunks import Chunks
from connector.doors.bulk.coordinator import Coordinator
from connector.doors.bulk.limits import Limiter
from connector.doors.bulk.redis_bucket import RedisBucket
from connector.doors.bulk.report import Bar
from connector.doors.bulk.runner import Job, Outcome
from connector.doors.bulk.store import Store
from connector.doors.bulk.worker import Worker
from connector.doors.cli.main import main
from tests.support.fault_server import FaultServer, Received, chat_completion

RUN: dict[str, Any] = {
    "action": "createChatCompletion",
    "connection": "p",
    "concurrency": 4,
    "requestsPerMinute": None,
    "tokensPerMinute": None,
    "retryFailed": False,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(str(tmp_path / "results.db"))
    made.create()
    yield made
    made.close()


def jobs(count: int) -> list[Job]:
    return [
        Job(n, f"{n:064}", {"messages": [{"role": "user", "content": f"Row {n}"}]}, 50)
        for n in range(1, count + 1)
    ]


def connect(server: FaultServer) -> Connector:
    fields = {"apiKey": "sk-bulk-0123456789", "isOpenAIKey": True, "endpoint": server.url}
    return Connector.load(connections={"p": {"fields": fields}})


def answer(_: Received | None, __: int) -> dict[str, Any]:
    return {"json": chat_completion("Done.")}


class Workers:
    """Threads that do what Celery's workers do; `lose` are the first messages that get lost."""

    def __init__(self, store: Store, connector: Connector, count: int = 2, lose: int = 0) -> None:
        self._queue: Queue[str | None] = Queue()
        self._lose = lose
        self.sent: list[str] = []
        worker = Worker(store, connector, lambda _: Limiter())
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def send(self, name: str) -> None:
        self.sent.append(name)
        if len(self.sent) > self._lose:
            self._queue.put(name)

    def _work(self, worker: Worker) -> None:
        while (name := self._queue.get()) is not None:
            worker.work(name)


def coordinate(store: Store, workers: Workers, rows: list[Job], **options: Any) -> Outcome:
    with store.locked():
        return Coordinator(store, Chunks(store), workers.send, RUN, Bar(None), **options).run(rows)


def test_workers_call_each_row_once(store: Store) -> None:
    with FaultServer(answer) as server, connect(server) as connector:
        with Workers(store, connector) as workers:
            outcome = coordinate(store, workers, [*jobs(120), *jobs(10)])
            assert (outcome.called, outcome.skipped, outcome.failed) == (120, 10, 0)
            again = coordinate(store, workers, jobs(130))
            assert (again.called, again.skipped) == (10, 120)
        assert len(server.requests) == 130
    assert store.counts() == (130, 0)
    assert Chunks(store).open() == {}


def test_a_message_that_is_lost_is_sent_again(store: Store) -> None:
    with FaultServer(answer) as server, connect(server) as connector:
        with Workers(store, connector, lose=2) as workers:
            outcome = coordinate(store, workers, jobs(100), again_seconds=0.3)
        assert outcome.called == 100
        assert len(server.requests) == 100
        assert len(workers.sent) >= 4


def test_a_message_that_comes_twice_does_no_harm(store: Store) -> None:
    with FaultServer(answer) as server, connect(server) as connector:
        worker = Worker(store, connector, lambda _: Limiter())
        name = Chunks(store).add(RUN, jobs(10))
        with store.claimed(name):
            worker.work(name)  # another worker is at it
        assert not server.requests
        worker.work(name)
        worker.work(name)
        assert len(server.requests) == 10


def test_what_a_dead_coordinator_has_left_is_waited_for(store: Store) -> None:
    with FaultServer(answer) as server, connect(server) as connector:
        Chunks(store).add(RUN, jobs(50))
        with Workers(store, connector) as workers:
            outcome = coordinate(store, workers, jobs(120))
        assert outcome.called == 120
        assert len(server.requests) == 120


def test_a_row_that_ends_its_workers_fails_alone(store: Store) -> None:
    """It takes three of them: the chunk is suspect, the row, the row again."""

    class Killed(BaseException):
        pass

    class Deadly(Connector):
        def invoke(self, action: str, inputs: Any = None, *more: Any, **options: Any) -> Any:
            if inputs["messages"][0]["content"] == "Row 5":
                raise Killed
            return super().invoke(action, inputs, *more, **options)

    with FaultServer(answer) as server:
        deadly = connect(server)
        deadly.__class__ = Deadly
        worker = Worker(store, deadly, lambda _: Limiter())
        name = Chunks(store).add(RUN, jobs(10))
        for _ in range(3):
            with pytest.raises(Killed):
                worker.work(name)
        worker.work(name)
        deadly.close()
    assert store.counts() == (9, 1)
    (found,) = store.read([jobs(10)[4].key]).values()
    assert found["error"]["message"] == "The row has ended 2 workers."


def test_a_rejected_key_stops_all(store: Store) -> None:
    def rejected(_: Received | None, __: int) -> dict[str, Any]:
        error = {"message": "No.", "code": "invalid_api_key"}
        return {"status": 401, "json": {"error": error}}

    with FaultServer(rejected) as server, connect(server) as connector:
        with Workers(store, connector, count=1) as workers:
            outcome = coordinate(store, workers, jobs(5_000))
        assert outcome.stopped_by is not None
        assert outcome.stopped_by.code == "authentication_failed"
        assert store.counts() == (0, 0)
        assert len(server.requests) <= 64 * RUN["concurrency"]


def test_no_message_and_no_table_has_the_key(store: Store, tmp_path: Path) -> None:
    Chunks(store).add(RUN, jobs(3))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sk-bulk" not in kept


# The command line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--results", "r.db", "--connection", "p"], "PostgreSQL"),
        (["--results", "r.db", "--sandbox"], "--connection NAME"),
    ],
)
def test_workers_need_a_database_and_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str,
) -> None:  # fmt: skip
    pytest.importorskip("celery")
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    assert (
        main(["bulk", "createChatCompletion", "rows.jsonl", "--celery", "redis://x", *words]) == 2
    )
    assert said in capsys.readouterr().err


def test_without_the_extra_the_commands_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "celery", None)
    monkeypatch.delitem(sys.modules, "connector.doors.bulk.broker", raising=False)
    monkeypatch.delattr("connector.doors.bulk.broker", raising=False)  # of an earlier import
    monkeypatch.chdir(tmp_path)
    assert main(["worker", "--broker", "redis://x", "--results", "postgresql://x"]) == 2
    Path("rows.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    words = ["--celery", "redis://x", "--results", "r.db", "--connection", "p"]
    assert main(["bulk", "createChatCompletion", "rows.jsonl", *words]) == 2
    assert capsys.readouterr().err.count("[celery]'") == 2


def test_a_bucket_in_redis_keeps_the_time_of_the_next() -> None:
    """The script runs in Redis; the integration tests run it there."""

    class Client:
        def register_script(self, script: str) -> Any:
            assert "redis.call('TIME')" in script
            return self.run

        def run(self, keys: list[str], args: list[Any]) -> str:
            asked.append((*keys, *args))
            if len(asked) > 3:
                raise ConnectionError
            return "0.25"

    asked: list[tuple[Any, ...]] = []
    bucket = RedisBucket(Client(), "p:requests", ConnectionError)
    assert bucket.wait(2.0) == 0.25
    bucket.take(3, 2.0)
    bucket.hold(7.0)
    key = "connector:p:requests"
    assert asked == [(key, "wait", 0), (key, "take", 1.5), (key, "hold", 7.0)]
    assert bucket.wait(2.0) == 1.0  # Redis is away
