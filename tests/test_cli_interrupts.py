"""An interrupt of the command line while requests are in progress."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .support.fault_server import FaultServer
from .support.front import connection

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize("prompts", [["slow"], ["slow", "slow"], ["slow", "slow", "never sent"]])
def test_an_interrupted_prompt_that_was_sent_says_so(prompts: list[str]) -> None:
    inputs = {"messages": prompts, "concurrency": 2}
    with FaultServer({"hang": True}) as server:
        payload = json.dumps({"connection": connection(server.url), "inputs": inputs})
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", "invoke", "createCompletions", "--payload", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(payload.encode())
        process.stdin.close()
        sent = min(2, len(prompts))
        assert server.wait_for_requests(sent)
        process.send_signal(signal.SIGINT)
        envelope = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(60) == 130
    assert envelope["error"]["sent"] == "unknown"
    found = [choice["error"]["sent"] for choice in envelope["data"]["choices"]]
    assert found == ["unknown"] * sent + ["no"] * (len(prompts) - sent)
