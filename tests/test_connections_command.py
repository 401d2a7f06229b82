"""`connector connections`: the operator's file, written by questions in a terminal or by a pipe."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from connector import Connector, ConnectorError
from connector.connections import configured, writing
from connector.doors.cli import connections
from connector.doors.cli import main as cli
from connector.manifest import reader
from connector.sandbox import Sandbox

pytest.importorskip("pty")

KEY = "sk-sandbox"

_IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Terminal:
    """A command that runs in a pseudo-terminal of its own."""

    def __init__(self, words: Sequence[str], environment: dict[str, str]) -> None:
        self.shown = ""
        self._answered = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _IN_A_TERMINAL, sys.executable, "-m", "connector", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._watch = threading.Timer(100, self._process.kill)  # a failure instead of a hang
        self._watch.start()

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, at the start of a line, and type an answer.

        What is typed before a question about a secret is lost.
        """
        while f"\n{question}" not in self.shown[self._answered :]:
            self._read()
        self._answered = len(self.shown)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        data = os.read(self._process.stdout.fileno(), 4096)
        assert data, self.shown
        self.shown += data.decode()

    def end(self) -> int:
        """Return the exit code; `shown` is then all that the terminal showed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.shown += self._process.stdout.read().decode()
        return self._process.wait()

    def close(self) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if "OPENAI" not in k and "CONNECTOR" not in k}
    return {**clean, "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def usual(environment: dict[str, str]) -> Path:
    return configured.usual_path("azure-openai-service", environment)


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal(["connections", "add", "office", "--kind", "apiKey"], environment)
    yield opened
    opened.close()


def run(
    environment: dict[str, str], *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "connector", *words],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_a_terminal_asks_for_each_field_and_hides_the_key(
    terminal: Terminal, usual: Path, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    terminal.answer("API Key: ", "sk sandbox")
    terminal.answer("API Key: ", KEY)
    terminal.answer("Organization (optional): ", "")
    terminal.answer("Is OpenAI Key [false]: ", "maybe")
    terminal.answer("Is OpenAI Key [false]: ", "yes")
    terminal.answer("Endpoint (optional): ", "ftp://x")
    terminal.answer("API Version (optional): ", "")
    terminal.answer("Proxy (optional): ", "")
    terminal.answer("CA File (optional): ", "")
    # Nothing was written yet: what is wrong is asked again.
    terminal.answer("Is OpenAI Key [false]: ", "yes")
    terminal.answer("Endpoint (optional): ", sandbox.url)
    assert terminal.end() == 0
    assert "the key alone, without spaces" in terminal.shown
    assert "must begin with https:// or http://" in terminal.shown
    assert "models listed" in terminal.shown
    assert "sandbox" not in terminal.shown.replace(sandbox.url, "")
    assert usual.stat().st_mode & 0o777 == 0o600
    assert usual.parent.stat().st_mode & 0o777 == 0o700
    fields = {"apiKey": KEY, "isOpenAIKey": True, "endpoint": sandbox.url}
    assert configured.read(usual).connections == {"office": {"key": "apiKey", "fields": fields}}
    assert [item.name for item in usual.parent.iterdir()] == ["connections.yaml"]
    # The command line finds it; the library does not.
    done = run(environment, "invoke", "createChatCompletion", "-i", "connection=office")
    assert json.loads(done.stdout)["ok"]


def test_the_end_of_the_input_writes_nothing(terminal: Terminal, usual: Path) -> None:
    terminal.answer("API Key: ", "\x04")
    assert terminal.end() == 130
    assert not usual.exists()


def test_a_pipe_is_asked_nothing(
    environment: dict[str, str], usual: Path, sandbox: Sandbox
) -> None:
    add = ["connections", "add", "office"]
    done = run(environment, *add)
    assert (done.returncode, done.stdout) == (2, "")
    assert "API Key is missing; add --key-from-stdin, or" in done.stderr
    assert not usual.exists()
    fields = ["--field", "isOpenAIKey=true", "--field", f"endpoint={sandbox.url}"]
    done = run(environment, *add, *fields, "--key-from-stdin", stdin=f"{KEY}\n")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["key"]["verdict"] == "ok"
    assert KEY not in done.stdout + done.stderr
    done = run(environment, *add, *fields, "--key-from-stdin", stdin=f"{KEY}\n")
    assert (done.returncode, "add --replace" in done.stderr) == (2, True)
    variable = {**environment, "MY_KEY": KEY}
    done = run(variable, *add, "--replace", *fields, "--field", "apiKey=${MY_KEY}")
    assert done.returncode == 0
    assert "${MY_KEY}" in usual.read_text()
    assert KEY not in usual.read_text()
    done = run(variable, "connections", "list")
    row = {"name": "office", "kind": "apiKey", "provider": "openai"}
    assert json.loads(done.stdout) == [row]
    done = run(environment, "connections", "list")  # without the variable
    (found,) = json.loads(done.stdout)
    assert found["provider"] is None
    assert "MY_KEY is not set" in found["problem"]
    assert run(variable, "connections", "test", "office").returncode == 0
    assert run(variable, "connections", "test", "other").returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sk-proj-0123456789"], "NAME is a short name"),
        (["office", "--field", "apiKey=sk-secret"], "API Key is secret; add --key-from-stdin"),
        (["office", "--field", "proxy=http://u:p@x"], "--field 'proxy=${VARIABLE}'"),
        (["office", "--field", "endpont=x"], "no such field; did you mean 'endpoint'?"),
        (["office", "--field", "endpoint"], "write KEY=VALUE"),
        (["office", "--kind", "apikey"], "--kind: write apiKey"),
        (["office", "--key-from-stdin"], "is required; for example 0f1e"),
    ],
)
def test_a_wrong_command_line_says_what_to_write(
    words: list[str], says: str, environment: dict[str, str], usual: Path
) -> None:
    done = run(environment, "connections", "add", *words)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "secret;" in done.stderr or "secret" not in done.stderr
    assert not usual.exists()


class Typed:
    """A terminal's input of which each question takes the next line."""

    def __init__(self, *lines: str) -> None:
        self._lines = iter(lines)

    def isatty(self) -> bool:
        return True

    def __call__(self, _: str = "") -> str:
        return next(self._lines)


def test_the_kind_is_asked_for_where_there_are_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raw = copy.deepcopy({**Connector.load().manifest.raw})
    first = raw["connections"][0]
    raw["connections"] = [first, {**first, "key": "other", "fields": []}]
    spec = reader.parse(raw, Connector.load().manifest.schemas)
    monkeypatch.setattr(connections, "connector_of", lambda _: Connector(spec))
    typed = Typed("else", "other")
    monkeypatch.setattr("sys.stdin", typed)
    monkeypatch.setattr("builtins.input", typed)
    words = ["connections", "add", "x", "--file", str(tmp_path / "c.yaml")]
    assert cli.main(words) == 1
    shown = capsys.readouterr().err
    assert "Kind of connection [apiKey]: Write apiKey or other." in shown
    assert "has no field apiKey" in shown  # which only this kind lacks
    monkeypatch.setattr("sys.stdin", None)
    assert cli.main([*words, "--kind", "other", "--key-from-stdin"]) == 2
    assert "a connection of the kind other has no key" in capsys.readouterr().err
    assert cli.main([*words, "--key-from-stdin"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_a_wrong_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MY_KEY", KEY)
    words = ["connections", "add", "x", "--field", "isOpenAIKey=true", "--field"]
    monkeypatch.setattr("sys.stdin", None)
    path = tmp_path / "file" / "c.yaml"
    assert cli.main([*words, "apiKey=${MY_KEY}", "--file", str(path)]) == 2
    assert "name a file that you may write" in capsys.readouterr().err


def test_a_list_in_a_terminal_is_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert cli.main(["connections", "list", "--file", str(file)]) == 0
    assert "connector connections add NAME" in capsys.readouterr().err
    writing.put(file, "a", {"key": "apiKey", "fields": {"apiKey": KEY, "isOpenAIKey": True}})
    writing.put(file, "office", {"key": "apiKey", "fields": {"apiKey": KEY}})
    assert cli.main(["connections", "list", "--file", str(file)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "a       apiKey  openai"
    assert second.startswith("office  apiKey  Endpoint: is required")


# The file

NEW = {"key": "apiKey", "fields": {"apiKey": 'a"b#c: \u00e9', "isOpenAIKey": True}}
OLD = """# Ours.
main:  # the first
  fields: {apiKey: '${MAIN}', isOpenAIKey: true}

# Of the branch.
branch:
  fields:
    apiKey: x  # old

# The end.
"""


def test_an_entry_is_added_below_the_others(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(OLD)
    path.chmod(0o640)
    writing.put(path, "no", NEW)
    text = path.read_text()
    assert text.startswith(OLD)
    assert path.stat().st_mode & 0o777 == 0o600
    found = configured.read(path).connections
    assert list(found) == ["main", "branch", "no"]
    assert found["no"] == NEW


@pytest.mark.parametrize("name", ["main", "branch"])
def test_an_entry_is_replaced_in_its_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(OLD.rstrip())
    writing.put(path, name, NEW)
    found = configured.read(path).connections
    assert list(found) == ["main", "branch"]
    assert found[name] == NEW
    text = path.read_text()
    for comment in ("# Ours.", "# Of the branch.", "# The end."):
        assert comment in text
    assert ("# old" in text) == (name == "main")


@pytest.mark.parametrize("text", ["", "# Only a comment.", "{}\n", "# A comment.\n{}"])
def test_an_empty_file_gets_its_first_entry(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    if text.strip() in ("", "# Only a comment."):
        path.write_text(text + "\n{}")
    writing.put(path, "a", NEW)
    assert configured.read(path).connections == {"a": NEW}
    assert path.read_text().startswith("#") == ("#" in text)


def test_a_json_file_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    writing.put(path, "a", NEW)
    writing.put(path, "b", NEW)
    assert json.loads(path.read_text()) == {"a": NEW, "b": NEW}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    link.symlink_to(real)
    writing.put(link, "a", NEW)
    assert link.is_symlink()
    assert configured.read(real).connections == {"a": NEW}


@pytest.mark.parametrize("text", ["{a: {fields: {}}}\n", "a: {fields: {}}\n...\n"])
def test_what_cannot_be_kept_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConnectorError, match="without changing its other entries") as caught:
        writing.put(path, "b", NEW)
    assert "lines of its own" in str(caught.value.hint)
    assert path.read_text() == text
    assert [item.name for item in tmp_path.iterdir()] == ["c.yaml"]


def test_a_write_that_fails_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(OLD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        writing.put(path, "b", NEW)
    assert path.read_text() == OLD
    assert [item.name for item in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"CONNECTOR_CONNECTIONS": "/x/c.json", "XDG_CONFIG_HOME": "/y"}, "/x/c.json"),
        ({"XDG_CONFIG_HOME": "/y"}, "/y/k/connections.yaml"),
        ({"APPDATA": "/z"}, "/z/k/connections.yaml"),
        ({}, f"{os.path.expanduser('~')}/.config/k/connections.yaml"),
    ],
)
def test_where_the_file_is(variables: dict[str, str], path: str) -> None:
    assert configured.usual_path("k", variables) == Path(path)


def test_the_library_does_not_look_at_the_usual_place(
    usual: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", environment["XDG_CONFIG_HOME"])
    monkeypatch.delenv("CONNECTOR_CONNECTIONS", raising=False)
    writing.put(usual, "office", NEW)
    assert Connector.load().connection_names() == []
