"""`connector invoke --stream`: text on a terminal, events in a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from connector.doors.cli import main as cli
from connector.sandbox import Sandbox
from tests.support.event_peer import STOP, EventPeer, chunk, event, whole

from .test_cli_terminal import Cli, on_terminal

__all__ = ["on_terminal"]

CHAT = ["invoke", "createChatCompletion", "--stream"]
MESSAGES = ["-i", 'messages=[{"role": "user", "content": "Hi"}]']


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": "sk-stream-0123456789", "OPENAI_BASE_URL": url}


def test_a_pipe_gets_an_event_a_line_and_the_envelope_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([*CHAT, "--sandbox", *MESSAGES]) == 0
    *events, envelope = map(json.loads, capsys.readouterr().out.splitlines())
    text = "".join(event["text"] for event in events)
    assert text == envelope["data"]["choices"][0]["message"]["content"]
    assert len(events) > 5


def test_a_terminal_gets_the_text(on_terminal: Cli, sandbox: Sandbox) -> None:
    inputs = {"messages": [{"role": "user", "content": "Hi"}]}
    given = {"connection": sandbox.connection("openai"), "inputs": inputs}
    _, plain, _ = on_terminal(*CHAT[:2], payload=given)
    code, out, err = on_terminal(*CHAT, payload=given)
    assert code == 0
    assert out == plain
    assert "tokens" in err


def test_choices_are_told_apart_and_controls_escaped(
    on_terminal: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def part(text: str, index: int) -> bytes:
        found = chunk(text)
        found["choices"][0]["index"] = index
        return event(found)

    ends = [part("", 0), part("", 1)]
    for at, data in enumerate((chunk(**STOP), chunk(**STOP))):
        data["choices"][0]["index"] = at
        ends.append(event(data))
    steps = [part("a\x1b[31m", 0), part("b", 1), part("c", 0), *ends]
    with EventPeer([*steps, b"data: [DONE]\n\n"]) as peer:
        for name, value in environment(peer.url).items():
            monkeypatch.setenv(name, value)
        code, out, _ = on_terminal(*CHAT, *MESSAGES, "-i", "numChoices=2")
    assert code == 0
    assert out == "a\\x1b[31m\n\n[2] b\n\n[1] c\n"


def test_a_query_prints_its_value_only(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*CHAT, "--sandbox", *MESSAGES, "--query", "data.choices[0].finish_reason"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "stop\n"


@pytest.mark.parametrize("words", [["--dry-run"], ["--output", "x"]])
def test_what_does_not_go_with_a_stream_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*CHAT, "--sandbox", *MESSAGES, *words]) == 2
    assert "--stream" in capsys.readouterr().err


def test_an_action_without_a_stream_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["invoke", "createImage", "--stream", "--sandbox", "-i", "prompt=x"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "invalid_payload"


def test_an_interrupt_keeps_what_arrived() -> None:
    release = threading.Event()
    steps: list[Any] = [*whole("a", "b")[:3], release.wait]
    with EventPeer(steps) as peer:
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", *CHAT, *MESSAGES],
            env=environment(peer.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        release.set()
    assert [json.loads(line)["text"] for line in lines] == ["a", "b"]
    envelope = json.loads(rest)
    assert process.returncode == 130
    assert envelope["error"]["code"] == "cancelled"
    assert envelope["data"]["choices"][0]["message"]["content"] == "ab"
