"""The command line as its user runs it: a process of its own, its streams and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.doors import cli
from connector.sandbox import Sandbox

REPOSITORY = Path(__file__).parent.parent
KEY = "sk-canary-0123456789abcdef"


class Run:
    """What a run of the command line left behind."""

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
        timeout=60,
        check=False,
    )
    return Run(done)


def payload(sandbox: Sandbox, kind: str = "openai", **inputs: Any) -> bytes:
    return json.dumps({"connection": sandbox.connection(kind), "inputs": inputs}).encode()


@pytest.mark.parametrize("words", [["--sandbox"], ["--sandbox=azure"], ["--sandbox=azure-dated"]])
def test_invoke_prints_the_envelope_and_nothing_else(words: list[str]) -> None:
    done = run("invoke", *words, "createChatCompletion", "-i", "temperature=0.2")
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
    ]


def test_a_payload_is_read_from_standard_input_and_i_goes_on_top(sandbox: Sandbox) -> None:
    given = payload(sandbox, model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    done = run(
        "invoke", "createChatCompletion", "--payload", "-", "-i", "model=o4-mini", stdin=given
    )
    assert done.code == 0
    assert json.loads(sandbox.requests[-1].body)["model"] == "o4-mini"


def test_refused_inputs_are_told_on_both_streams(sandbox: Sandbox) -> None:
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


def test_a_wrong_key_and_a_dead_server_are_told_with_a_hint(sandbox: Sandbox) -> None:
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
        ([], "required"),
        (["invoke"], "ACTION"),
        (["invoke", "createImage", "-i", "prompt"], "KEY=VALUE"),
        (["invoke", "createImage", "--payload", "no-such-file"], "No such file"),
        (["invoke", "createImage", "--sandbox=mars"], "azure-dated"),
        (["invoke", "createImage", "-i", 'connection={"fields":{}}'], "never a key"),
        (["invoke", "createImage", "--api-key", "sk-misplaced"], "there is no --api-key"),
        (["invoke", "createImage", "--api-key=sk-misplaced"], "there is no --api-key"),
        (["invoke", "createImage", "-i", "sk-misplaced"], "KEY=VALUE"),
        (["invoke", "createImage", "--sandbox=sk-misplaced"], "azure-dated"),
        (["invoke", "createImage", "sk-misplaced"], "a word too many"),
        (["sandbox", "--port", "65536"], "from 0 to 65535"),
        (["sandbox", "--port=-1"], "from 0 to 65535"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_is_2_and_prints_no_envelope(words: list[str], says: str) -> None:
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


def test_an_unknown_action_names_the_nearest() -> None:
    done = run("invoke", "createChat", "--sandbox")
    assert (done.code, done.json["error"]["code"]) == (1, "unknown_action")
    assert "createChatCompletion" in done.err


def test_the_usual_variables_serve_without_a_connection(sandbox: Sandbox) -> None:
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


def test_a_configured_connection_is_taken_by_name(sandbox: Sandbox, tmp_path: Path) -> None:
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


def test_test_connection_gives_verdicts(sandbox: Sandbox) -> None:
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


def test_check_passes_the_bundled_manifest_and_locates_problems(tmp_path: Path) -> None:
    assert run("check").code == 0
    text = (REPOSITORY / "connector.yaml").read_text()
    text = text.replace("default: gpt-4o-mini", "default: 7").replace("chat.create", "chat.creat")
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
        process.send_signal(sent)
        assert process.stdout is not None
        envelope = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(20) == 130
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
    assert process.wait(20) == 0
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
    assert "[sandbox]'" in capsys.readouterr().err


def test_a_taken_port_is_a_wrong_command_line(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    port = sandbox.url.rpartition(":")[2]
    assert cli.main(["sandbox", "--port", port]) == 2
    assert f"port {port}" in capsys.readouterr().err
