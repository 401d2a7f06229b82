"""The programs of docs/engines.md for Prefect."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from connector.sandbox import Sandbox
from tests.integration.prefect.conftest import Prefect
from tests.support import canary
from tests.support.documents import blocks, files, section

SECTION = section("engines.md", "Prefect")
PROGRAM, RETRY, FAILURE, CANCEL = blocks(SECTION, "sh")[1:]


@pytest.fixture
def page(tmp_path: Path, prefect: Prefect, sandbox: Sandbox) -> Path:
    """Save the files of the page and the connection."""
    for name, text in files(SECTION).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    variables = {"OPENAI_API_KEY": canary.KEY, "OPENAI_BASE_URL": sandbox.url}
    assert "'ok'" in prefect.run("python", "connect.py", cwd=tmp_path, **variables)
    return tmp_path


def command(prefect: Prefect, page: Path, text: str) -> tuple[int, str]:
    """Run a command of the page; return its exit code and what it printed."""
    done = subprocess.run(
        ["sh", "-c", text],
        cwd=page,
        env=prefect.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    canary.assert_absent("what was printed", done.stdout)
    return done.returncode, done.stdout


def test_it_runs_retries_and_fails(prefect: Prefect, page: Path, sandbox: Sandbox) -> None:
    code, printed = command(prefect, page, PROGRAM)
    assert code == 0, printed
    assert printed.splitlines()[-1].startswith("done: Sandbox reply")
    sandbox.reset()
    code, printed = command(prefect, page, RETRY)
    assert code == 0, printed
    assert "Retry 1/3" in printed
    assert len(sandbox.requests) == 2
    sandbox.reset()
    code, printed = command(prefect, page, FAILURE)
    assert code == 1
    assert "Retry" not in printed
    assert "ConnectorError: quota_exhausted" in printed
    assert len(sandbox.requests) == 1


def test_a_run_is_cancelled(prefect: Prefect, page: Path, sandbox: Sandbox) -> None:
    sandbox.reset()
    start, cancel = CANCEL.splitlines()
    with (page / "serve.log").open("wb") as log:
        serving = subprocess.Popen(
            [str(prefect.bin / "python"), "ask.py"],
            cwd=page,
            env=prefect.environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: command(prefect, page, "prefect deployment inspect ask/office")[0] == 0)
        code, printed = command(prefect, page, start)
        assert code == 0, printed
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", printed)
        assert found is not None, printed
        wait_until(lambda: len(sandbox.requests) == 1)
        code, printed = command(prefect, page, cancel.replace("ID", found[0]))
        assert code == 0, printed
        address = f"{prefect.url}/api/flow_runs/{found[0]}"
        wait_until(lambda: requests.get(address, timeout=30).json()["state"]["type"] == "CANCELLED")
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(60)
    canary.assert_absent("the log", (page / "serve.log").read_bytes())


def wait_until(done: Any) -> None:
    for _ in range(240):
        if done():
            return
        time.sleep(0.5)
    raise AssertionError("it does not happen")
