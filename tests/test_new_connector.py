"""`connector new` writes a connector on which every command works at once."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors.cli import main as cli
from connector.sandbox import Sandbox
from connector.sandbox.connection import connection_to

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Iterator[list[str]]:
    """A new connector, `acme`, in the working directory: the commands that `new` prints."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", "acme"]) == 0
    printed = capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "acme")
    yield re.findall(r"^  (connector .*)$", printed, re.M)
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_connector"]:
        del sys.modules[name]


OWN = ["--manifest", "acme_connector/connector.yaml"]


def run(words: str, capsys: Capture) -> Any:
    assert cli.main([*words.split(), *OWN]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_printed_commands_work(made: list[str], capsys: Capture) -> None:
    assert len(made) == 2
    for line in made:
        assert cli.main(shlex.split(line)[1:]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["data"] == {
        "text": "Hello",
        "urgent": False,
    }


def test_every_command_takes_it(made: list[str], capsys: Capture) -> None:
    assert run("describe", capsys)["label"] == "Acme"
    assert run("schema sendMessage", capsys)["required"] == ["text"]
    assert run("schema connection", capsys)["required"] == ["apiKey"]
    assert cli.main(["check", *OWN]) == 0
    assert cli.main(["docs", "--check", *OWN]) == 0
    assert cli.main(["docs", *OWN]) == 0
    capsys.readouterr()
    dry = run("invoke sendMessage --dry-run --sandbox=echo -i text=Hello", capsys)["data"]
    assert dry["body"] == {"text": "Hello", "urgent": False}
    assert dry["headers"]["Authorization"] == "Bearer ***"


def test_keys_of_other_services_in_the_environment_are_not_used(
    made: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    assert cli.main(["invoke", "sendMessage", "--dry-run", "-i", "text=Hi", *OWN]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["details"] == [{"path": "/connection", "message": "is required"}]
    assert error["hint"] == "Give a connection in --payload, or try --sandbox=echo."


def test_its_page_shows_its_icon(made: list[str]) -> None:
    text = Path("docs/acme.md").read_text(encoding="utf-8")
    (icon,) = re.findall(r"!\[Acme\]\((.*?)#", text)
    assert (Path("docs") / icon).read_bytes().startswith(b"\x89PNG")


def test_options_and_a_test_of_the_connection_work(made: list[str], capsys: Capture) -> None:
    """Of a manifest that has them."""
    manifest = Path("acme_connector/connector.yaml")
    text = manifest.read_text(encoding="utf-8")
    text = text.replace("    fields:\n", "    test: messages.test\n    fields:\n", 1)
    text += "\ndataSources:\n  - { key: rooms, label: Rooms, handler: messages.rooms }\n"
    manifest.write_text(text, encoding="utf-8")
    with Path("acme_connector/actions/messages.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\ndef rooms(client):\n    return [{'key': client.get('/r')['path'], 'label': 'R'}]\n"
            "\n\ndef test(client):\n    return {'key': {'verdict': 'ok', 'message': 'Right.'}}\n"
        )
    assert run("options rooms --sandbox=echo", capsys) == [{"key": "/r", "label": "R"}]
    assert run("test-connection --sandbox=echo", capsys)["data"]["key"]["verdict"] == "ok"


def test_handlers_may_be_elsewhere(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """--handlers names a package of the working directory."""
    manifest = str(Path(OWN[1]).resolve())
    (tmp_path / "other_actions").mkdir()
    for name in ("__init__.py", "connections.py", "messages.py"):
        source = Path("acme_connector/actions") / name
        text = source.read_text(encoding="utf-8").replace('urgent": urgent}', 'urgent": True}')
        text = text.replace('{"text": text, "urgent": True}}:', '{"text": text}}:')
        (tmp_path / "other_actions" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    words = ["invoke", "sendMessage", "--sandbox=echo", "-i", "text=Hi"]
    assert cli.main([*words, "--manifest", manifest, "--handlers", "other_actions"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["urgent"] is True
    for name in [name for name in sys.modules if name.startswith("other_actions")]:
        del sys.modules[name]


def test_errors_of_the_service_name_no_other_provider(
    made: list[str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path.cwd())
    with Connector.load(OWN[1]) as connector:
        connection = connection_to(sandbox, "openai", connector.manifest.raw)
        result = connector.invoke("sendMessage", {"text": "Hello"}, connection)
    assert result.error is not None
    assert result.error.code == "not_found"
    assert result.error.hint == "Check the path, and the address of the connection."
    assert result.meta["provider"] == "acme"


def test_an_address_with_a_query_is_refused(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path.cwd())
    with Connector.load(OWN[1]) as connector:
        fields = {"apiKey": "x", "endpoint": "https://api.example.com/?a=b"}
        result = connector.invoke("sendMessage", {"text": "Hello"}, {"fields": fields})
    assert result.error is not None
    assert result.error.code == "invalid_connection"


@pytest.mark.parametrize(
    ("folder", "key", "package", "label"),
    [
        ("my-service-connector", "my-service", "my_service_connector", "My Service"),
        ("Acme Mail", "acme-mail", "acme_mail_connector", "Acme Mail"),
        ("x", "x", "x_connector", "X"),
    ],
)
def test_names_follow_the_folder(
    folder: str, key: str, package: str, label: str, tmp_path: Path
) -> None:
    assert cli.main(["new", str(tmp_path / folder)]) == 0
    manifest = tmp_path / folder / package / "connector.yaml"
    assert cli.main(["describe", "--manifest", str(manifest)]) == 0
    text = manifest.read_text(encoding="utf-8")
    assert f"key: {key}\n" in text
    assert f"label: {label}\n" in text
    assert "$" not in text.replace("$schema", "")


@pytest.mark.parametrize(
    "folder", ["connector", "7up", "-", "sk-0123456789abcdef", "a" * 40, "日本"]
)
def test_a_folder_that_gives_no_name_is_refused(
    folder: str, tmp_path: Path, capsys: Capture
) -> None:
    assert cli.main(["new", "--", str(tmp_path / folder)]) == 2
    assert "DIR: give a short name that begins with a letter" in capsys.readouterr().err
    assert not (tmp_path / folder).exists()


def test_files_are_not_overwritten(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "mine").touch()
    assert cli.main(["new", str(tmp_path / "acme")]) == 2
    assert "DIR: the folder is not empty" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert cli.main(["new", str(tmp_path / "file")]) == 1
    assert "Not a directory" in capsys.readouterr().err


# The standard tests find what is wrong

BROKEN = {
    "test_an_unexpected_response_is_no_defect": (
        "actions/messages.py",
        "    match response:\n",
        '    return response["body"]\n    match response:\n',
    ),
    "test_every_default_and_example_validates": (
        "connector.yaml",
        "        default: false\n",
        "        default: perhaps\n",
    ),
    "test_the_page_is_current": ("connector.yaml", "comments: What to say.", "comments: A text."),
    "test_handlers_and_manifest_are_a_bijection": (
        "actions/messages.py",
        "def send_message(",
        "def forgotten(inputs, client): ...\n\n\ndef send_message(",
    ),
    "test_every_reference_resolves_and_every_schema_file_is_used": (
        "connector.yaml",
        "    output: message.schema.json\n",
        "",
    ),
    "test_an_example_sends_what_its_dry_run_shows": (
        "actions/messages.py",
        "    match response:\n",
        '    client.post("/more", {"key": inputs["text"]})\n    match response["no"]:\n',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("test", BROKEN)
def test_the_standard_tests_of_a_broken_connector_fail(test: str, made: list[str]) -> None:
    name, right, wrong = BROKEN[test]
    path = Path("acme_connector") / name
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-k", test]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert f"::{test}" in done.stdout


def test_the_standard_tests_say_what_they_need() -> None:
    program = "import sys; sys.modules['pytest'] = None; import connector.testing"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "pip install 'azure-openai-service-connector[testing]'" in done.stderr
