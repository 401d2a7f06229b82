"""Ten thousand clients at once, or as many as this machine's limit of open files allows."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.support.raw_http import RawClient, get, wait_for
from tests.support.served import served

IMPATIENT = (
    "from connector.doors.server.protocol import Protocol; Protocol.head_seconds = 5\n"
    "from connector.doors.cli.main import run; raise SystemExit(run())"
)


@contextlib.contextmanager
def many_files(count: int) -> Iterator[int]:
    """Let this process open `count` files, or as many as it may; yield how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield max(soft, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections_harm_nobody(tmp_path: Path) -> None:
    with (
        many_files(10_500) as files,
        served(tmp_path, {}, program=("-c", IMPATIENT)) as running,
        contextlib.ExitStack() as stack,
    ):
        clients = [
            stack.enter_context(RawClient(running.port)) for _ in range(min(10_000, files - 200))
        ]
        for number, client in enumerate(clients):
            client.send(b"GET /healthz HTTP/1.1\r\n" if number % 2 else b"")
        assert requests.get(running.url + "/healthz", timeout=60).json() == {"ok": True}
        for client in clients:
            assert client.rest() == b""  # dropped, because their heads never came
        folder = Path(f"/proc/{running.process.pid}/fd")
        wait_for(lambda: len(list(folder.iterdir())) < 100)
        with RawClient(running.port) as client:
            client.send(get("/healthz")).until(b'{"ok":true}')
