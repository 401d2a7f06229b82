"""Inputs as flags of `connector invoke`, their values from files, and the help that lists them."""

from __future__ import annotations

import argparse
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors.cli import inputs, values
from connector.doors.cli import main as cli
from connector.files import resources
from connector.manifest import reader
from connector.manifest.model import Manifest
from connector.sandbox import Sandbox

MANIFEST = reader.load(resources.manifest())
NAMED = ["--model", "gpt-4o"]
"""Not the default, which is replaced when it retires: these tests have no fixed date."""

RAW: dict[str, Any] = reader.read(resources.manifest())


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Let the environment lead to the sandbox that the test looks at."""
    for name in ("CONNECTOR_CONNECTIONS", "AZURE_OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sandbox")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{sandbox.url}/v1")


def run(*words: str) -> int:
    """Run a command and return its exit code."""
    try:
        return cli.main(words)
    except SystemExit as end:
        return int(end.code or 0)


def sent(sandbox: Sandbox) -> Any:
    """Return the body of the only request since the last call of this function."""
    (request,) = sandbox.requests
    sandbox.reset()
    return json.loads(request.body)


@pytest.mark.parametrize(
    ("key", "flag"),
    [
        ("model", "--model"),
        ("textToSummarize", "--text-to-summarize"),
        ("topP", "--top-p"),
        ("retryDelayMS", "--retry-delay-ms"),
        ("isOpenAIKey", "--is-open-ai-key"),
        ("URL", "--url"),
        ("log2File", "--log2-file"),
    ],
)
def test_a_flag_is_the_key_with_hyphens(key: str, flag: str) -> None:
    assert inputs.flag_of(key) == flag


@pytest.mark.parametrize(
    "words",
    [
        ["createChatCompletion", "--temperature", "0.2"],
        ["createChatCompletion", "--temperature=0.2"],
        ["--temperature", "0.2", "createChatCompletion"],
        ["createChatCompletion", "-i", "temperature=1.5", "--temperature", "0.2"],
        ["createChatCompletion", "--temperature", "1.5", "-i", "temperature=0.2"],
        ["createChatCompletion", "--temperature", "1.5", "--temperature", "0.2"],
    ],
)
def test_a_flag_sets_an_input_and_the_later_one_counts(words: list[str], sandbox: Sandbox) -> None:
    assert run("invoke", *words, *NAMED) == 0
    assert sent(sandbox)["temperature"] == 0.2


def test_a_flag_overrides_the_payload(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"inputs": {"temperature": 1.5, "topP": 0.5}}')
    words = ["--payload", str(file), "--temperature", "0.2"]
    assert run("invoke", "createChatCompletion", *words, *NAMED) == 0
    body = sent(sandbox)
    assert (body["temperature"], body["top_p"]) == (0.2, 0.5)


@pytest.mark.parametrize(
    ("words", "retries"),
    [
        (["--retry-all-errors"], True),
        (["--retry-all-errors", "true"], True),
        (["--retry-all-errors=TRUE"], True),
        (["--retry-all-errors", "false"], False),
        (["--retry-all-errors=false"], False),
    ],
)
def test_a_switch_may_stand_alone(words: list[str], retries: bool, sandbox: Sandbox) -> None:
    request = ["--method", "GET", "--url", "/v1/nowhere", "--max-retries", "1"]
    assert run("invoke", *words, "rawRequest", *request) == 1
    assert len(sandbox.requests) == 1 + retries


MARKED = [("--prompt", "{}"), ("-i", "prompt={}")]


@pytest.mark.parametrize(("option", "form"), MARKED)
def test_values_come_from_files_and_standard_input(
    option: str, form: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes("Ein Leuchtturm, früh\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A harbour")))
    for value, prompt in (
        (f"@{file}", "Ein Leuchtturm, früh\n"),
        ("@-", "A harbour"),
        ("@@home", "@home"),
        ("a@b", "a@b"),
    ):
        assert run("invoke", "createImage", option, form.format(value)) == 0
        assert sent(sandbox)["prompt"] == prompt


def test_a_file_is_converted_as_a_text_is(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "messages.json"
    file.write_text('[{"role": "user", "content": "Hi"}]\n')
    assert run("invoke", "createChatCompletion", "--messages", f"@{file}") == 0
    assert sent(sandbox)["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prompt", "@no-such-sk-canary"], "prompt: No such file or directory (@ names a file;"),
        (["-i", "prompt=@no-such-sk-canary"], "prompt: No such file or directory (@ names a file;"),
        (["-i", "sk-canary0123=@x"], "***: No such file"),
        (["--prompt", "@\0"], "prompt: ValueError"),
        (["--prompt", "@binary"], "prompt: the file is not text in UTF-8"),
        (["--prompt", "@-", "--image-size", "@-"], "standard input can be read only once"),
        (["--payload", "-", "--prompt", "@-"], "standard input can be read only once"),
        (["--prompt"], "--prompt: expected one argument"),
        (["--imageSize", "1024x1024"], "no such option; did you mean '--image-size'?"),
        (["--zzz"], "no such option; the inputs of createImage are --prompt, --num-images, "),
        (["--connection", '{"fields": {}}'], "connection takes the name"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_before_anything_is_sent(
    words: list[str],
    says: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\x89PNG")
    assert run("invoke", "createImage", *words) == 2
    out, err = capsys.readouterr()
    assert (out, says in err, "canary" in err) == ("", True, False), err
    assert sandbox.requests == []


def test_an_unknown_action_is_said_rather_than_its_flags(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("invoke", "createImages", "--prompt", "x") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "unknown_action"
    assert "did you mean 'createImage'?" in err


@pytest.mark.parametrize("action", [*MANIFEST.actions])
def test_the_help_of_an_action_lists_its_inputs(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("invoke", action, "--help") == 0
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines())
    listed, _, options = shown.partition("\noptions:\n")
    assert "--payload FILE" in options
    text = " ".join(listed.split())
    declared = MANIFEST.actions[action].inputs
    in_order = [
        text.index(f" {inputs.flag_of(item.key)} ")
        for item in sorted(declared, key=lambda item: item.advanced)
    ]
    assert in_order == sorted(in_order)
    for item in declared:
        assert f"{item.label}. " in text
        for choice in item.schema.get("enum", ()):
            assert choice in text


def test_the_help_shows_types_limits_defaults_and_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("invoke", "createChatCompletion", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--temperature NUMBER Temperature. Sampling temperature" in text
    assert "[0 to 2; default: 1" in text
    assert "or the model name on OpenAI. [" in text  # a link's address is left out
    assert "list: connector options selectModel]" in text
    assert "--stop TEXT|JSON" in text
    assert 'for example ["END"]' in text
    run("invoke", "createImage", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--image-size CHOICE" in text
    assert "[one of 1792x1024, 1024x1792, 1024x1024; default: 1024x1024" in text
    assert "[required; 1 to 1,000 characters; for example A lighthouse" in text
    run("invoke", "rawRequest", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--retry-all-errors true|false" in text
    assert "--form-data JSON" in text
    assert "[more than 0; at most 86,400,000; for example 30000]" in text


def test_the_general_help_names_the_way_to_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("invoke", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "an action's key; see: connector actions" in shown
    assert "connector invoke ACTION --help" in shown


def test_the_command_alone_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("usage: connector ")
    assert "actions" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        (["invoke", "createImage", "--prompt", "x"], 1),
        (["invoke", "createImage", "--help"], 1),
        (["invoke", "createImage", "--zzz"], 1),
        (["invoke", "--help"], 0),
        (["invoke"], 0),
        ([], 0),
        (["actions"], 1),
        (["schema", "createImage"], 1),
        (["test-connection"], 1),
    ],
)
def test_the_manifest_is_read_at_most_once(
    words: list[str], reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = reader.load

    def load(path: Path) -> Manifest:
        calls.append(path)
        return original(path)

    monkeypatch.setattr(reader, "load", load)
    run(*words)
    assert len(calls) == reads


# Connections by name


def test_a_connection_is_named_by_a_flag(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"test": sandbox.connection("azure")}))
    named = ["--connections", str(file), "--connection"]
    for words in (["invoke", "createImage", "--prompt", "x"], ["test-connection"]):
        assert run(*words, *named, "test") == 0
        assert json.loads(capsys.readouterr().out)["meta"]["provider"] == "azure"
    (tmp_path / "payload.json").write_text('{"connection": "absent", "inputs": {"prompt": "x"}}')
    words = ["--payload", str(tmp_path / "payload.json"), *named, "test"]
    assert run("invoke", "createImage", *words) == 0
    assert run("options", "selectModel", *named, "test") == 0
    capsys.readouterr()
    sandbox.reset()
    for wrong in ("tets", "@tets", ""):  # the environment's connection is not used instead
        assert run("invoke", "createImage", "--prompt", "x", *named, wrong) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "invalid_connection"
    assert sandbox.requests == []


# Manifests with other inputs


def use(monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    """Let the commands run on a connector whose createImage has more inputs."""
    actions = [
        {**action, "inputs": [*action["inputs"], *rows]}
        if action["key"] == "createImage"
        else action
        for action in RAW["actions"]
    ]
    manifest = reader.parse({**RAW, "actions": actions}, MANIFEST.schemas)
    monkeypatch.setattr(
        "connector.doors.cli.preparation.connector_of", lambda *_: Connector(manifest)
    )


def row(key: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "label": key, "comments": key, "schema": {"type": "string"}, **settings}


def test_a_secret_input_is_no_flag_and_not_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, row("webhookToken", secret=True))
    assert run("invoke", "createImage", "--webhook-token", "sk-canary") == 2
    assert "no such option" in capsys.readouterr().err
    assert run("invoke", "createImage", "-i", "webhookToken=sk-canary") == 2
    err = capsys.readouterr().err
    assert "webhookToken: is secret; give it in --payload" in err
    assert "canary" not in err
    run("invoke", "createImage", "--help")
    assert "webhook" not in capsys.readouterr().out
    (tmp_path / "token").write_text("sk-canary")
    words = ["--prompt", "x", "-i", f"webhookToken=@{tmp_path / 'token'}", "--dry-run"]
    assert run("invoke", "createImage", *words) == 0


def test_options_have_precedence_over_inputs_of_their_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, row("output"), row("input"))
    file = tmp_path / "image.png"
    given = ["--prompt", "x", "--output", str(file), "--input", "a=b", "-i", "output=c"]
    assert run("invoke", "createImage", *given) == 0
    assert file.exists()
    capsys.readouterr()
    run("invoke", "createImage", "--help")
    listed, _, options = capsys.readouterr().out.partition("\noptions:\n")
    assert "--input TEXT" in listed
    assert "--output" not in listed
    assert "--output FILE" in options
    assert "-i KEY=VALUE " in options


def test_a_file_for_a_binary_input_becomes_a_binary_object(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"\x89PNG")
    (tmp_path / "two").write_bytes(b"\xff")
    (tmp_path / "saved.json").write_text("[]")
    rows = [
        row("file", schema={"$ref": "binary.schema.json"}),
        row("images", schema={"type": "array", "items": {"$ref": "file.schema.json"}}),
    ]
    document = {**RAW, "actions": [{**RAW["actions"][0], "inputs": rows}]}
    manifest = reader.parse(document, MANIFEST.schemas)
    (action,) = manifest.actions.values()

    def given(*pairs: tuple[str, str]) -> dict[str, Any]:
        arguments = argparse.Namespace(input=[(k, f"@{tmp_path / name}") for k, name in pairs])
        return values.given(arguments, action, manifest.schemas)

    one = {
        "contentType": "image/png",
        "encoding": "base64",
        "data": base64.b64encode(b"\x89PNG").decode(),
    }
    two = {"contentType": "application/octet-stream", "encoding": "base64", "data": "/w=="}
    assert given(("file", "one.png")) == {"file": one}
    assert given(("images", "one.png"), ("images", "two")) == {"images": [one, two]}
    assert given(("file", "saved.json")) == {"file": "[]"}
