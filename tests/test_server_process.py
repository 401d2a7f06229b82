"""`connector serve` as a process: how it stops, and how several workers serve."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.event_peer import EventPeer, whole
from tests.support.fault_server import FaultServer, SilentListener, chat_completion
from tests.support.front import connection, inputs_of
from tests.support.raw_http import RawClient, post, statuses, wait_for
from tests.support.served import Served, served

CHAT = "/v1/actions/createChatCompletion"
IMPATIENT = (
    "from connector.doors.server.protocol import Protocol; Protocol.grace_seconds = 0.2\n"
    "from connector.doors.cli.main import run; raise SystemExit(run())"
)


def chat() -> Any:
    return {"connection": "p", "inputs": inputs_of("createChatCompletion")}


def test_a_call_under_way_ends_before_the_command_does(tmp_path: Path) -> None:
    gate = threading.Event()
    with (
        EventPeer([*whole("a")[:2], gate.wait, *whole("b")[1:]]) as peer,
        served(tmp_path, {"p": connection(peer.url)}) as running,
        RawClient(running.port) as client,
    ):
        client.send(post(CHAT, chat(), "Accept: text/event-stream")).until(b'"text":"a"')
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not _accepts(running.port))
        gate.set()
        rest = client.rest()
        assert running.process.wait(60) == 0
    assert b"event: result" in rest
    assert b'"ok":true' in rest


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_call_that_takes_too_long_is_cancelled(tmp_path: Path, accept: str) -> None:
    with (
        SilentListener() as silent,
        served(tmp_path, {"p": connection(silent.url)}, program=("-c", IMPATIENT)) as running,
        RawClient(running.port) as client,
        RawClient(running.port) as halfway,
    ):
        halfway.send(post(CHAT, chat())[:-1]).send(b"")
        client.send(post(CHAT, chat(), f"Accept: {accept}"))
        wait_for(lambda: silent.connections == 1)
        assert running.stop() == 0
        response = client.rest()
        assert halfway.rest() == b""
    assert statuses(response) == [424]
    error = json.loads(response.partition(b"\r\n\r\n")[2])["error"]
    assert (error["code"], error["sent"]) == ("cancelled", "unknown")


def test_workers_share_the_port_and_the_counts(tmp_path: Path) -> None:
    answers: Any = [{"json": chat_completion("a")}] * 40
    with (
        FaultServer(answers) as provider,
        served(tmp_path, {"p": connection(provider.url)}, "--workers", "2") as running,
    ):
        wait_for(lambda: len(running.workers()) == 2)
        first = running.workers()
        _call(running, 20)
        assert _counted(running) == 20
        os.kill(first[0], signal.SIGKILL)
        wait_for(lambda: len(set(running.workers()) - set(first)) == 1)
        _call(running, 20)
        assert _counted(running) == 40
        assert running.stop() == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in first))


def test_workers_end_with_a_command_that_was_killed(tmp_path: Path) -> None:
    with served(tmp_path, {}, "--workers", "2") as running:
        wait_for(lambda: len(running.workers()) == 2)
        assert requests.get(running.url + "/healthz", timeout=30).json() == {"ok": True}
        running.process.kill()
        running.process.wait(60)
        wait_for(lambda: not _accepts(running.port))


def _call(running: Served, count: int) -> None:
    for _ in range(count):
        assert requests.post(running.url + CHAT, json=chat(), timeout=30).json()["ok"] is True


def _counted(running: Served) -> int:
    text = requests.get(running.url + "/metrics", timeout=30).text
    lines = [line for line in text.splitlines() if line.startswith("connector_calls_total{")]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


def _accepts(port: int) -> bool:
    try:
        RawClient(port).close()
    except ConnectionRefusedError:
        return False
    return True
