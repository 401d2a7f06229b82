"""The command line as users run it: in its own process, with its streams and exit code."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError, Result
from connector.doors.cli import interrupts, results, terminal
from connector.doors.cli import main as cli
from connector.sandbox import Sandbox
from tests.support import canary

REPOSITORY = Path(__file__).parent.parent
KEY = "sk-canary-0123456789abcdef"


class Run:
    """The outcome of a run of the command line."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Run:
    clean = {k: v for k, v in os.environ.items() if "OPENAI" not in k and "CONNECTOR" not in k}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "connector", *words],
        input=stdin,
        capture_output=True,
        cwd=REPOSITORY,
        env={**clean, **(env or {})},
        timeout=120,
        check=False,
    )
    return Run(done)


def payload(sandbox: Sandbox, kind: str = "openai", **inputs: Any) -> bytes:
    return json.dumps({"connection": sandbox.connection(kind), "inputs": inputs}).encode()


NAMED = ["-i", "model=gpt-4o"]
"""Not the default, which is replaced when it retires: these tests have no fixed date."""


@pytest.mark.parametrize("words", [["--sandbox"], ["--sandbox=azure"], ["--sandbox=azure-dated"]])
def test_invoke_prints_the_envelope_and_nothing_else(words: list[str]) -> None:
    done = run("invoke", *words, "createChatCompletion", *NAMED, "-i", "temperature=0.2")
    assert done.code == 0
    assert done.err == ""
    assert done.json["ok"] is True
    assert "temperature 0.2" in done.json["data"]["choices"][0]["message"]["content"]
    assert list(done.json["meta"]) == [
        "action",
        "provider",
        "attempts",
        "durationMs",
        "requestId",
        "usage",
        "warnings",
        "rateLimit",
    ]


def test_a_payload_is_read_from_standard_input_and_i_overrides_it(sandbox: Sandbox) -> None:
    given = payload(sandbox, model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    done = run(
        "invoke", "createChatCompletion", "--payload", "-", "-i", "model=o4-mini", stdin=given
    )
    assert done.code == 0
    assert json.loads(sandbox.requests[-1].body)["model"] == "o4-mini"


def test_wrong_inputs_are_reported_on_both_streams(sandbox: Sandbox) -> None:
    given = payload(sandbox, temprature=1, topP=7)
    done = run("invoke", "createChatCompletion", "--payload", "-", stdin=given)
    assert done.code == 1
    assert done.json["error"]["code"] == "invalid_input"
    assert {row["path"] for row in done.json["error"]["details"]} == {
        "/inputs/temprature",
        "/inputs/topP",
    }
    assert "did you mean 'temperature'?" in done.err
    assert sandbox.requests == []


def test_a_wrong_key_and_a_dead_server_are_reported_with_a_hint(sandbox: Sandbox) -> None:
    connection = sandbox.connection("openai")
    connection["fields"]["apiKey"] = "sk-wrong-0123456789"
    given = json.dumps({"connection": connection}).encode()
    done = run("invoke", "createChatCompletion", "--payload", "-", stdin=given)
    assert (done.code, done.json["error"]["code"]) == (1, "authentication_failed")
    assert "hint: Check API Key" in done.err
    assert "sk-wrong-0123456789" not in done.out + done.err
    connection["fields"]["endpoint"] = "http://127.0.0.1:1"
    given = json.dumps({"connection": connection, "inputs": {"method": "GET"}}).encode()
    done = run("invoke", "rawRequest", "--payload", "-", stdin=given)
    assert (done.code, done.json["error"]["code"]) == (1, "connect_failed")
    assert done.json["error"]["sent"] == "no"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["invoke"], "ACTION"),
        (["invoke", "createImage", "-i", "prompt"], "KEY=VALUE"),
        (["invoke", "createImage", "--payload", "no-such-file"], "No such file"),
        (["invoke", "createImage", "--sandbox=mars"], "azure-dated"),
        (["invoke", "createImage", "-i", 'connection={"fields":{}}'], "never a key"),
        (["invoke", "createImage", "--api-key", "sk-misplaced"], "no such option"),
        (["invoke", "createImage", "--api-key=sk-misplaced"], "no such option"),
        (["invoke", "createImage", "-i", "sk-misplaced"], "KEY=VALUE"),
        (["invoke", "createImage", "--sandbox=sk-misplaced"], "azure-dated"),
        (["invoke", "createImage", "sk-misplaced"], "unexpected argument;"),
        (["invoke", "createImage", "--sandbox", "azure"], "--sandbox=KIND"),
        (["options", "--sandbox", "azure", "selectModel"], "--sandbox=KIND"),
        (["sandbox", "--port", "65536"], "from 0 to 65535"),
        (["sandbox", "--port=-1"], "from 0 to 65535"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_prints_no_envelope(
    words: list[str], says: str
) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "sk-misplaced" not in done.err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b'{"inputs": {}, "inputs": {}}', "invalid_payload"),
        (b'{"inputs": {"a": NaN}}', "invalid_payload"),
        (b'{"input": {}}', "invalid_payload"),
        (b'{"inputs": []}', "invalid_payload"),
        (b"[" * 100_000, "invalid_payload"),
        (b"\xff", "invalid_payload"),
    ],
)
def test_a_bad_payload_is_an_envelope(text: bytes, code: str) -> None:
    done = run("invoke", "createChatCompletion", "--payload", "-", stdin=text)
    assert (done.code, done.json["error"]["code"]) == (1, code)


@pytest.mark.parametrize("count", [1, 2])
def test_a_key_in_place_of_a_name_is_not_quoted(count: int) -> None:
    text = json.dumps({"inputs": {}})[:-1] + f', "{canary.KEY}": 1' * count + "}"
    done = run("invoke", "createChatCompletion", "--payload", "-", stdin=text.encode())
    assert done.json["error"]["code"] == "invalid_payload"
    canary.assert_no_part("the output", json.dumps(done.json) + done.err)


def test_an_unknown_action_names_the_nearest() -> None:
    done = run("invoke", "createChat", "--sandbox")
    assert (done.code, done.json["error"]["code"]) == (1, "unknown_action")
    assert "createChatCompletion" in done.err


def test_the_usual_variables_are_used_without_a_connection(sandbox: Sandbox) -> None:
    fields = sandbox.connection("azure-dated")["fields"]
    azure = {
        "AZURE_OPENAI_API_KEY": fields["apiKey"],
        "AZURE_OPENAI_ENDPOINT": sandbox.url,
        "OPENAI_API_VERSION": fields["apiVersion"],
    }
    assert run("invoke", "createChatCompletion", env=azure).json["meta"]["provider"] == "azure"
    openai = {"OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": f"{sandbox.url}/v1"}
    assert run("invoke", "createChatCompletion", env=openai).json["meta"]["provider"] == "openai"
    assert [item.path for item in sandbox.requests] == [
        "/openai/deployments/gpt-4o-mini/chat/completions",
        "/v1/chat/completions",
    ]


def test_a_configured_connection_is_used_by_name(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text(
        f"prod:\n  fields: {{apiKey: '${{KEY}}', isOpenAIKey: true, endpoint: '{sandbox.url}'}}\n"
    )
    words = ["invoke", "createChatCompletion", "-i", "connection=prod"]
    env = {"KEY": "sk-sandbox", "CONNECTOR_CONNECTIONS": str(file)}
    assert run(*words, env=env).code == 0
    assert run(*words, "--connections", str(file), env={"KEY": "sk-sandbox"}).code == 0
    done = run(*words, "--connections", str(file))
    assert (done.code, done.json["error"]["code"]) == (1, "invalid_connection")
    assert "KEY is not set" in done.err


def test_a_dry_run_shows_no_key(sandbox: Sandbox) -> None:
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": sandbox.url}
    done = run("invoke", "createChatCompletion", "--dry-run", env=env)
    assert done.code == 0
    assert done.json["data"]["headers"]["Authorization"] == "Bearer ***"
    assert KEY not in done.out + done.err
    assert sandbox.requests == []


def test_output_streams_a_binary_result_to_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    given = payload(sandbox, prompt="A lighthouse", numImages=2)
    done = run("invoke", "createImage", "--payload", "-", "--output", str(file), stdin=given)
    assert done.code == 0
    assert [item["file"] for item in done.json["data"]] == [
        str(file),
        str(tmp_path / "image-2.png"),
    ]
    assert file.read_bytes().startswith(b"\x89PNG")
    assert done.json["data"][0]["size"] == file.stat().st_size
    raw = payload(sandbox, method="GET", url="/v1/files/x/content", responseType="binary")
    file = tmp_path / "raw"
    done = run("invoke", "rawRequest", "--payload", "-", "--output", str(file), stdin=raw)
    assert done.json["data"]["size"] == file.stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image-2.png", "image.png", "raw"]
    models = payload(sandbox, method="GET")
    done = run("invoke", "rawRequest", "--payload", "-", "--output", str(file), stdin=models)
    assert "not binary" in done.err


def test_describe_and_schema_are_json() -> None:
    described = run("describe").json
    for action in described["actions"]:
        assert action["inputs"][0]["key"] == "connection"
        schema = run("schema", action["key"]).json
        assert list(schema["properties"]) == [item["key"] for item in action["inputs"][1:]]
    assert run("schema", "connection").json["properties"]["apiKey"]["writeOnly"] is True
    assert run("schema", "nonsense").json["error"]["code"] == "unknown_action"


def test_test_connection_prints_a_verdict_for_each_part(sandbox: Sandbox) -> None:
    done = run("test-connection", "--sandbox=azure")
    assert done.code == 0
    assert [part["verdict"] for part in done.json["data"].values()] == ["ok", "ok", "ok"]
    env = {"OPENAI_API_KEY": "sk-wrong", "OPENAI_BASE_URL": sandbox.url}
    done = run("test-connection", env=env)
    assert (done.code, done.json["data"]["key"]["verdict"]) == (1, "failed")
    assert "key: failed" in done.err


def test_options_prints_a_bare_list(sandbox: Sandbox) -> None:
    done = run("options", "selectModel", "--sandbox")
    assert done.code == 0
    assert {"key": "gpt-4o", "label": "gpt-4o"} in done.json
    assert run("options", "selectModels", "--sandbox").json["error"]["code"] == "invalid_payload"
    assert run("options", "selectModel").json["error"]["code"] == "invalid_connection"


def test_check_accepts_the_bundled_manifest_and_locates_problems(tmp_path: Path) -> None:
    assert run("check").code == 0
    text = (REPOSITORY / "connector.yaml").read_text()
    text = text.replace("default: gpt-4o-mini", "default: 7").replace("chat.create", "chat.creat")
    text = text.replace("chat.check", "chat.chek")
    text = text.replace("$ref: fileList", "$ref: fileLost")
    (tmp_path / "connector.yaml").write_text(text)
    (tmp_path / "schemas").symlink_to(REPOSITORY / "schemas")
    (tmp_path / "assets").symlink_to(REPOSITORY / "assets")
    done = run("check", str(tmp_path / "connector.yaml"))
    assert done.code == 1
    lines = text.splitlines()
    found = {}
    for line in done.err.splitlines()[:-1]:
        _, number, pointer, *_ = line.split(":")
        found[pointer.strip()] = lines[int(number) - 1].strip()
    assert found["/actions/0/inputs/0/default"] == "default: 7"
    assert found["/actions/0/handler"] == "handler: chat.creat_chat_completion"
    assert found["/actions/0/check"] == "check: chat.chek"
    assert any(pointer.startswith("/actions/3/inputs/4") for pointer in found)
    (tmp_path / "connector.yaml").write_text("key: [\n")
    assert "line 2" in run("check", str(tmp_path / "connector.yaml")).err
    (tmp_path / "connector.yaml").write_text("key: Nonsense Key\n")
    done = run("check", str(tmp_path / "connector.yaml"))
    assert "connector.yaml:1: /key:" in done.err
    assert "/actions: is required" in done.err


def test_an_interrupt_ends_with_a_cancelled_envelope(sandbox: Sandbox) -> None:
    given = payload(sandbox, messages=["One.", "sandbox:slow Two."], concurrency=2)
    for sent in (signal.SIGINT, signal.SIGTERM):
        sandbox.reset()
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", "invoke", "createCompletions", "--payload", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        while len(sandbox.requests) < 2:
            assert process.poll() is None
            threading.Event().wait(0.001)
        process.send_signal(sent)
        assert process.stdout is not None
        envelope = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(60) == 130
        assert envelope["error"]["code"] == "cancelled"
        assert envelope["data"]["choices"][1]["error"]["code"] == "cancelled"


def test_the_sandbox_serves_until_it_is_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "connector", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline().decode()
    url = first.split()[5]
    env = {"OPENAI_API_KEY": "sk-sandbox", "OPENAI_BASE_URL": url}
    assert run("invoke", "createChatCompletion", env=env).code == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert b"200 POST /v1/chat/completions" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()


def test_docs_check_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["docs", "--check"]) == 1
    assert cli.main(["docs"]) == 0
    assert cli.main(["docs", "--check"]) == 0


def test_without_the_extra_the_sandbox_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "connector.sandbox", None)
    assert cli.main(["invoke", "createChatCompletion", "--sandbox"]) == 2
    told = capsys.readouterr().err
    assert "'sandbox'" in told
    assert "pip install aiohttp" in told  # the distribution is not on a package index
    with pytest.raises(SystemExit, match="0"):
        cli.main(["options", "--help"])
    assert "pip install aiohttp" in " ".join(capsys.readouterr().out.split())


def test_a_taken_port_is_a_wrong_command_line(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    port = sandbox.url.rpartition(":")[2]
    assert cli.main(["sandbox", "--port", port]) == 2
    assert f"port {port}" in capsys.readouterr().err


FORGED = "\x1b[2J\r\x07\x7f\x9b1A\n\u2028error: \u202eforged\u2069\U000e0041"
SHOWN = r"\x1b[2J\r\x07\x7f\x9b1A\n\u2028error: \u202eforged\u2069\U000e0041"


def told(capsys: pytest.CaptureFixture[str], result: Result) -> list[str]:
    def command(arguments: argparse.Namespace) -> int:
        return results.print_result(result, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connector.doors.cli.manifest.describe", command)
        cli.main(["describe"])
    return capsys.readouterr().err.splitlines()


def test_no_text_forges_a_line_or_moves_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"path": f"/{FORGED}", "message": FORGED}]
    error = ConnectorError("bad_request", FORGED, hint=FORGED, details=rows)
    assert told(capsys, Result(None, error, {"warnings": [FORGED]})) == [
        f"warning: {SHOWN}",
        f"error: {SHOWN} [bad_request]",
        f"  /{SHOWN}: {SHOWN}",
        f"hint: {SHOWN}",
    ]


def test_verdicts_and_wrong_words_are_shown_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"key": {"verdict": "ok", "message": FORGED}}
    result = Result(data, None, {"warnings": []})
    monkeypatch.setattr(Connector, "test_connection", lambda *_: result)
    assert cli.main(["test-connection"]) == 0
    assert capsys.readouterr().err == f"key: ok ({SHOWN})\n"


CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029]
CONTROLS += [*range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF, 0xFFF9, 0xE0001]


@pytest.mark.parametrize("terminal_like", [False, True])
def test_json_carries_no_control_character_and_keeps_its_value(
    terminal_like: bool, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal_like)
    value = {
        FORGED: ["".join(map(chr, CONTROLS)), "\ud800", "\\u202e", "Grüße 👩‍🚀 \u3000 می‌خواهم"]
    }
    terminal.print_json(value)
    raw = capsysbinary.readouterr().out
    text = raw.decode()
    assert json.loads(text) == value
    shown = text[:-1].replace("\n", "") if terminal_like else text[:-1]
    assert not {chr(code) for code in CONTROLS} & {*shown}
    assert "Grüße 👩‍🚀 \u3000 می‌خواهم" in text


def test_every_control_and_format_character_is_escaped() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    found = [c for c in every if unicodedata.category(c) not in ("Cn", "Co")]
    bad = [c for c in found if unicodedata.category(c) in kinds and c not in "\u200c\u200d"]
    assert terminal.escape_controls("".join(bad)).isprintable()
    kept = "".join(c for c in found if unicodedata.category(c) not in kinds)
    assert terminal.escape_controls(kept) == kept
    assert json.loads(terminal.encode_json(bad)) == bad
    assert terminal.encode_json(bad).decode().isprintable()


@pytest.mark.parametrize("words", [["describe"], ["schema", "nonsense"], ["invoke", "rawRequest"]])
def test_an_output_that_cannot_be_written_is_one_message(words: list[str]) -> None:
    for end in (">&-", "> /dev/full"):
        command = ["sh", "-c", f'exec "$0" -m connector "$@" {end}', sys.executable, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("connector: the output cannot be written: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["describe"], ["schema", "nonsense"]])
def test_a_closed_pipe_gets_no_message(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "connector", *words]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, cwd=REPOSITORY, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_closed_standard_input_is_a_wrong_command_line() -> None:
    words = ["invoke", "createImage", "--payload", "-"]
    shell = ["sh", "-c", 'exec "$0" -m connector "$@" <&-', sys.executable, *words]
    done = subprocess.run(shell, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--payload: standard input is closed; give the name of a JSON file" in done.stderr


def test_with_a_closed_standard_error_standard_output_is_only_json() -> None:
    words = ["invoke", "createChat", "--dry-run"]
    shell = ["sh", "-c", 'exec "$0" -m connector "$@" 2>&-', sys.executable, *words]
    done = subprocess.run(shell, stdout=subprocess.PIPE, cwd=REPOSITORY, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "unknown_action"


@pytest.mark.parametrize(
    "words", [["invoke", "createImage"], ["options", "selectModel"], ["test-connection"]]
)
def test_without_a_connection_the_hint_says_how_to_give_one(words: list[str]) -> None:
    done = run(*words)
    assert (done.code, done.json["error"]["code"]) == (1, "invalid_connection")
    (hint,) = [line for line in done.err.splitlines() if line.startswith("hint: ")]
    for word in ("AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "--sandbox"):
        assert word in hint
    given = b'{"connection": {"fields": {}}}'
    assert "--sandbox" not in run(*words, "--payload", "-", stdin=given).err


@pytest.mark.parametrize("other", [KEY, "sk-other-0123456789"])
def test_with_two_keys_in_the_environment_the_used_one_is_named(other: str) -> None:
    env = {
        "OPENAI_API_KEY": other,
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:1",
    }
    words = ["invoke", "createChatCompletion", *NAMED, "--dry-run"]
    done = run(*words, env=env)
    assert done.json["meta"]["provider"] == "azure"
    assert done.err == (
        "warning: the key of AZURE_OPENAI_API_KEY is used; "
        "OPENAI_API_KEY is set too and is not used\n"
    )
    assert run(*words, "--sandbox", env=env).err == ""
    assert run(*words, env={"OPENAI_API_KEY": other}).err == ""


def test_a_connection_among_the_inputs_works_for_every_command(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"prod": sandbox.connection("openai")}))
    words = ["--payload", "-", "--connections", str(file)]
    for given in ("prod", sandbox.connection("openai")):
        stdin = json.dumps({"inputs": {"connection": given}}).encode()
        # It takes precedence over the environment's connection.
        env = {"OPENAI_API_KEY": "sk-wrong", "OPENAI_BASE_URL": sandbox.url}
        for command in (["options", "selectModel"], ["test-connection"]):
            assert run(*command, *words, stdin=stdin, env=env).code == 0
        assert run("invoke", "createChatCompletion", *words, stdin=stdin, env=env).code == 0
    stdin = b'{"inputs": {"connection": "nonsense"}}'
    assert run("invoke", "createChatCompletion", *words, stdin=stdin).code == 1
    words += ["-i", "connection=prod"]
    assert run("invoke", "createChatCompletion", *words, stdin=stdin).code == 0


def test_all_unknown_keys_of_a_payload_are_listed() -> None:
    stdin = b'{"conection": {}, "inputs": {}, "zzz": 1}'
    done = run("invoke", "createChatCompletion", "--payload", "-", stdin=stdin)
    assert done.json["error"]["code"] == "invalid_payload"
    assert done.json["error"]["details"] == [
        {"path": "/conection", "message": "is not known here; did you mean 'connection'?"},
        {
            "path": "/zzz",
            "message": 'is not known here; inputs go under "inputs": {"inputs": {"zzz": ...}}',
        },
    ]
    assert "/zzz: is not known here" in done.err


def test_the_help_shows_the_form_and_the_kinds_of_a_sandbox() -> None:
    shown = run("options", "--help").out
    assert "[--sandbox[=KIND]]" in shown
    (line,) = [line for line in shown.splitlines() if "run against" in line]
    (other,) = [line for line in shown.splitlines() if "JSON file with" in line]
    assert line.startswith("  --sandbox[=KIND] ")
    assert line.index("run against") == other.index("JSON file with")
    assert "openai, azure, azure-dated, echo" in shown


@pytest.fixture
def _signals() -> Iterator[None]:
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_and_third_interrupt_are_ignored(
    first: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = []

    def command(_: argparse.Namespace) -> int:
        try:
            signal.raise_signal(first)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            reached.append("after three")
            signal.raise_signal(signal.SIGINT)
        return 0

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("connector.doors.cli.manifest.describe", command)
    assert cli.main(["describe"]) == 130
    assert reached == ["after three"]
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "cancelled"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("_signals")
def test_an_interrupt_that_was_ignored_at_the_start_stays_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command(_: argparse.Namespace) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setattr("connector.doors.cli.manifest.describe", command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert cli.main(["describe"]) == 0


def test_check_finds_handlers_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "mine" / "chat.py").write_text("def create_chat_completion(i, c): return {}\n")
    # With -P, as in the installed script, the working directory is not in sys.path.
    program = "import sys; from connector.doors.cli.main import run; sys.exit(run())"
    manifest = str(REPOSITORY / "connector.yaml")
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "check", manifest, "--handlers", "mine"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
    )
    told = done.stderr.decode()
    assert done.returncode == 1
    assert "'images." in told
    assert "'chat.create_chat_completion'" not in told


def test_an_interrupt_within_an_import_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted import leaves a lock that other threads would wait for forever."""
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = True\n"
    (tmp_path / "interrupted_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def command() -> None:
        seen.append(importlib.import_module("interrupted_module").whole)
        threading.Event().wait(60)

    with interrupts.handle_signals(), pytest.raises(KeyboardInterrupt):
        command()
    assert seen == [True]


FEW_FILES = """
import resource, sys
import connector.doors.cli.actions, connector.doors.cli.manifest  # so that the limit affects
import connector.http.sender  # the call and not its imports
from connector.doors.cli import main as cli
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [3, 4, 8, 64])
@pytest.mark.parametrize(
    "words",
    [
        "describe",
        "check",
        "test-connection --sandbox",
        "invoke createImage --sandbox -i prompt=x --output image.png",
        "invoke rawRequest -i method=GET -i responseType=binary --output answer",
        "invoke rawRequest -i method=GET",
    ],
)
def test_too_few_open_files_are_a_message_and_an_envelope(
    words: str, limit: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES, str(limit), *words.split()],
        env={
            # Without coverage, which opens its own files at the end.
            **{name: value for name, value in os.environ.items() if "COVERAGE" not in name},
            "PYTHONPATH": str(REPOSITORY),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "https://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    if words != "check":
        envelope = json.loads(done.stdout)
        if done.returncode:
            assert envelope["error"]["sent"] == "no"
            assert envelope["error"]["code"] != "internal_error"
            assert f"[{envelope['error']['code']}]" in done.stderr


def test_arguments_are_utf_8_whatever_the_locale() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    text = "日本の灯台"
    words = ["invoke", "summarizeText", "--sandbox", "-i", f"textToSummarize={text}"]
    done = subprocess.run(
        [sys.executable, "-m", "connector", *words],
        cwd=REPOSITORY,
        env={**os.environ, **locale},
        capture_output=True,
        check=False,
    )
    assert text in json.loads(done.stdout)["data"]["summary"]
