"""Rows that Celery's workers call, through real brokers and a real database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from connector import Connector
from connector.sandbox import Sandbox
from tests.integration.bulk.servers import Postgres, Rabbit, Redis, Server, wait_for

ROWS = 3_000
CONCURRENCY = 8
PROCESSES = 2
TEMPLATE = 'messages=[{"role": "user", "content": "sandbox:slow-20 Translate: {text}"}]'


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    server = Rabbit(tmp_path_factory.mktemp("rabbit") / "node")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["rabbit", "redis"])
def broker(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


class Stage:
    """A database, a broker and the sandbox, and the processes that use them."""

    def __init__(self, folder: Path, results: str, broker: str, sandbox: Sandbox) -> None:
        self.folder, self.results, self.broker, self.sandbox = folder, results, broker, sandbox
        self.processes: list[subprocess.Popen[bytes]] = []
        connections = folder / "connections.json"
        connections.write_text(json.dumps({"p": sandbox.connection("openai")}))
        connections.chmod(0o600)
        self.connections = ["--connections", str(connections)]
        with (folder / "rows.jsonl").open("w") as file:
            for number in range(ROWS):
                file.write(json.dumps({"text": f"Sentence {number}"}) + "\n")

    def start(self, *words: str, name: str) -> subprocess.Popen[bytes]:
        # Its messages go to a file, because nobody reads a pipe while it runs.
        with (self.folder / f"{name}-{len(self.processes)}.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "connector", *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, *words: str) -> subprocess.Popen[bytes]:
        given = ["--broker", self.broker, "--results", self.results, *self.connections]
        return self.start("worker", *given, "--processes", str(PROCESSES), *words, name="worker")

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        given = ["bulk", "createChatCompletion", str(self.folder / "rows.jsonl"), *self.connections]
        given += ["--results", self.results, "--celery", self.broker, "--connection", "p"]
        given += ["-i", TEMPLATE, "--concurrency", str(CONCURRENCY)]
        return self.start(*given, *words, name="run")

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.txt")
        )

    def twice(self) -> int:
        calls = Counter(request.body for request in self.sandbox.requests)
        return sum(count - 1 for count in calls.values())

    def check(self) -> None:
        """Each row has its one good result, and no chunk is left."""
        engine = sa.create_engine(self.results)
        with engine.connect() as connection:
            found = connection.execute(sa.text('SELECT "row", ok FROM results ORDER BY 1')).all()
            left = connection.scalar(sa.text("SELECT count(*) FROM chunks"))
        engine.dispose()
        assert [tuple(row) for row in found] == [(n, True) for n in range(1, ROWS + 1)]
        assert left == 0

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


@pytest.fixture
def stage(tmp_path: Path, postgres: Postgres, broker: Any) -> Iterator[Stage]:
    engine = sa.create_engine(postgres.url)
    with engine.begin() as connection:
        for table in ("results", "chunks", "waiting_rows"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()
    with Sandbox(Connector.load().describe()["models"]) as sandbox:
        made = Stage(tmp_path, postgres.url, broker.url, sandbox)
        try:
            yield made
        finally:
            made.stop()
            print(made.logs())


def midway(stage: Stage, count: int = ROWS // 3) -> None:
    wait_for(lambda: len(stage.sandbox.requests) >= count, 60)


def finish(run: subprocess.Popen[bytes]) -> int:
    return run.wait(240)


def test_a_worker_is_killed(stage: Stage) -> None:
    stage.worker()
    second = stage.worker()
    run = stage.run()
    midway(stage)
    os.killpg(second.pid, signal.SIGKILL)
    assert finish(run) == 0
    stage.check()
    assert stage.twice() <= PROCESSES * CONCURRENCY


def test_the_coordinator_is_killed(stage: Stage) -> None:
    stage.worker()
    run = stage.run()
    midway(stage)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert finish(stage.run()) == 0
    stage.check()
    assert stage.twice() == 0


def test_the_broker_is_restarted(stage: Stage, broker: Server) -> None:
    stage.worker()
    run = stage.run()
    midway(stage)
    broker.stop()
    time.sleep(1)
    broker.start()
    assert finish(run) == 0
    stage.check()
    assert stage.twice() <= PROCESSES * CONCURRENCY


def test_the_database_is_restarted(stage: Stage, postgres: Postgres) -> None:
    stage.worker()
    run = stage.run()
    midway(stage)
    postgres.stop()
    time.sleep(1)
    postgres.start()
    assert finish(run) == 0
    stage.check()
    assert stage.twice() <= PROCESSES * CONCURRENCY


def test_a_second_coordinator_says_so(stage: Stage) -> None:
    stage.worker()
    run = stage.run()
    midway(stage, 50)
    second = stage.run()
    assert second.wait(60) == 2
    assert "another run writes these results" in stage.logs()
    assert finish(run) == 0
    stage.check()


def test_workers_share_the_limits(stage: Stage, redis: Redis) -> None:
    stage.worker("--limiter", redis.url)
    stage.worker("--limiter", redis.url)
    run = stage.run("--requests-per-minute", "1200", "--limit", "200")
    midway(stage, 10)
    start, before = time.monotonic(), len(stage.sandbox.requests)
    assert finish(run) == 0
    rate = (len(stage.sandbox.requests) - before) / (time.monotonic() - start) * 60
    assert rate < 1200 * 1.2  # a busy machine is slower, and never faster
