"""The door that docs/engines.md shows: it serves a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary
from tests.support.documents import ROOT, blocks, files, section
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.front import connection, inputs_of

HEADING = "Write your own door in 40 lines"
CHAT = "createChatCompletion"
HELLO = {"json": chat_completion("Hello")}
OVERLOADED = {"status": 503, "headers": {"retry-after": "0"}, "json": {"error": {"message": "no"}}}


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """A folder with the door of the document."""
    for name, text in files(section("engines.md", HEADING)).items():
        assert len(text.splitlines()) <= 40
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def environment(door: Path, url: str) -> dict[str, str]:
    """Configure the connection `openai`, and let `python` start this one."""
    named = door / "connections.json"
    named.write_text(json.dumps({"openai": connection(url, apiKey=canary.KEY)}))
    named.chmod(0o600)
    python = door / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -W error "$@"\n')
    python.chmod(0o755)
    path = f"{door}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "CONNECTOR_CONNECTIONS": str(named)}


def follow(door: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run what the document says."""
    (commands,) = blocks(section("engines.md", HEADING), "sh")
    return subprocess.run(
        ["sh", "-ec", commands],
        cwd=door,
        env=environment(door, url),
        capture_output=True,
        text=True,
        check=False,
    )


def payload(**inputs: Any) -> str:
    return json.dumps({"connection": "openai", "inputs": inputs_of(CHAT, **inputs)})


def test_it_runs_retries_and_refuses(door: Path) -> None:
    jobs = door / "jobs"
    jobs.mkdir()
    (jobs / f"{CHAT}.a.json").write_text(payload())
    (jobs / f"{CHAT}.b.json").write_text(payload(temperature=3))
    (jobs / f"{CHAT}.c.json").write_text("{")
    (jobs / "unknown.d.json").write_text(payload())
    with FaultServer([OVERLOADED, HELLO]) as server:
        done = follow(door, server.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(server.requests) == 3  # a, a again, and the document's own
    assert not [*jobs.glob("*.json")]
    results = {path.name: json.loads(path.read_text()) for path in jobs.iterdir()}
    codes = {name: found.get("error", {}).get("code") for name, found in results.items()}
    assert codes == {
        f"{CHAT}.a.result": None,
        f"{CHAT}.b.result": "invalid_input",
        f"{CHAT}.c.result": "invalid_payload",
        "summarizeText.1.result": None,
        "unknown.d.result": "unknown_action",
    }
    for path in jobs.iterdir():
        canary.assert_absent(path.name, path.read_bytes())


def test_a_signal_ends_the_call_and_its_job_stays(door: Path) -> None:
    job = door / "jobs" / f"{CHAT}.a.json"
    job.parent.mkdir()
    job.write_text(payload())
    with FaultServer({"hang": True}) as server:
        process = subprocess.Popen(
            [sys.executable, "folder.py", "jobs"], cwd=door, env=environment(door, server.url)
        )
        try:
            assert server.wait_for_requests(1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
        finally:
            process.kill()
    assert [path.name for path in job.parent.iterdir()] == [job.name]
