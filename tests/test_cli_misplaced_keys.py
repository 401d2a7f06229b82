"""A key typed anywhere on the command line is not printed: other processes can see it anyway, but
logs, screens and envelopes must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.doors.cli import main as cli
from connector.doors.cli import parser
from connector.files import resources
from connector.manifest import reader

KEYS = [
    "sk-canary-0123456789abcdef",
    "0123456789abcdef0123456789abcdef",
    "Q0FOQVJZMDEyMzQ1Njc4OUNBTkFSWTAxMjM0NTY3ODk",
    "sk-canary'0123\"456",
]
MARKS = ["canary", "0123456789abcdef", "Q0FOQVJZ", "0123"]
"""A mark of each key, by which it or a part of it is recognized."""

MANIFEST = reader.load(resources.manifest())

BEGINNINGS = {
    "invoke": ["createImage"],
    "schema": [],
    "options": ["selectModel"],
    "docs": [],
    # So that no command line starts it.
    "sandbox": ["--port", "-1"],
    "serve": ["--port", "-1"],
    "mcp": ["--port", "-1"],
}
"""The arguments that a command needs besides the misplaced ones."""


def spellings(command: str, key: str) -> Iterator[list[str]]:
    """Yield a command line for each place where a key can be."""
    _, commands = parser.build([command, "createImage"], MANIFEST)
    needed = BEGINNINGS.get(command, [])
    for words in ([key], [key, *needed], [*needed, key], ["--", key], [*needed, "--", key]):
        yield [command, *words]
    for option in ("--key", "--api-key", "-k", "-x", f"--{key}", f"-{key}"):
        yield [command, *needed, option, key]
        yield [command, option, key, *needed]
        yield [command, *needed, f"{option}={key}"]
        yield [command, *needed, f"{option}{key}"]
        yield [option, key, command, *needed]
        yield [f"{option}={key}", command, *needed]
    for action in commands[command].arguments():
        for option in action.option_strings:
            yield [command, *needed, option, key]
            yield [command, *needed, f"{option}={key}"]
            yield [command, *needed, f"{option}{key}"]
            yield [command, *needed, option[:4], key]
            yield [command, *needed, f"{option[:4]}={key}"]
            yield [command, option, key, *(needed if command in ("sandbox", "serve") else [])]


def more(key: str) -> Iterator[list[str]]:
    connection = json.dumps({"connection": {"fields": {"apiKey": key}}})
    for words in (["--payload", connection], [f"--payload={connection}"], [connection]):
        yield ["invoke", "createImage", *words]
        yield ["invoke", *words]
        yield ["test-connection", *words]
    for word in (key, f"{key}=", f"{key}==", f"={key}", f"apiKey={key}", f"connection={key}"):
        for invoke in (["invoke", "createImage"], ["invoke", key], ["invoke", "nonsense"]):
            yield [*invoke, "-i", word]
            yield [*invoke, f"-i{word}"]
            yield [*invoke, f"--input={word}"]
    yield ["invoke", "createImage", "-i", f'connection={{"fields": {{"apiKey": "{key}"}}}}']
    for word in (f"--prompt=@{key}", f"-iprompt=@{key}", f"--retry-all-errors={key}"):
        yield ["invoke", "createImage", word]
        yield ["invoke", "rawRequest", word]
    yield ["invoke", key, "--payload", "no-such-file"]
    yield ["invoke", key, "--payload", "broken.json"]
    yield ["invoke", f"createImage{key}"[:24]]
    yield ["invoke", "createImage", "--connections", key, "-i", "connection=prod"]
    yield ["schema", key]
    yield [key]
    yield [f"--version={key}"]
    yield ["check", f"{key}/connector.yaml"]
    yield ["check", "x" * 300 + key]
    yield ["check", "--handlers", key.replace("-", "_")]
    yield ["invoke", "createImage", "--sandbox", f"--output=no/such/{key}", "-i", "prompt=x"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("command", [*parser._COMMANDS, None])
def test_no_spelling_prints_the_key(
    command: str | None,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("CONNECTOR_CONNECTIONS", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    for words in spellings(command, key) if command else more(key):
        try:
            code = cli.main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        shown = "".join(capsys.readouterr())
        assert not any(mark in shown for mark in MARKS), words
        assert shown, words
        if not any(word.startswith(("-h", "--h")) for word in words):  # help is not an error
            assert code in (1, 2), words


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["invoke", "--out", "x", "createImage"], "no such option; did you mean '--output'?"),
        (["invoke", "createImage", "--paylaod", "x"], "did you mean '--payload'?"),
        (["invoke", "createImage", "--imageSize", "x"], "did you mean '--image-size'?"),
        (["invoke", "createImage", "--zzz"], "the inputs of createImage are --prompt, "),
        (["test-connection", "--zzz"], "no such option; see: connector test-connection --help"),
        (["nonsense"], "invalid choice; see: connector --help"),
        (["invoke", "createImage", "--dry-run=1"], "--dry-run: ignored explicit argument"),
        (["invoke", "createImage", "--payload", '{"inputs": {}}'], "the name of a JSON file"),
        (["invoke", "createImage", "--payload", "no-such-file"], "--payload: No such file"),
        (["check", "no-such-file"], "MANIFEST: no such file"),
        (["check", "--handlers", "no.such"], "--handlers: no such package"),
        (["check", "--handlers", ""], "--handlers: no such package"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_a_word_that_is_nearly_known_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    for words, wrong, meant in (
        (["invoke", "createImages"], "createImages", "createImage"),
        (["options", "selectModels"], "selectModels", "selectModel"),
        (["schema", "conection"], "conection", None),
    ):
        assert cli.main([*words, *(["--sandbox"] if words[0] != "schema" else [])]) == 1
        out, err = capsys.readouterr()
        assert wrong in json.loads(out)["error"]["message"]
        assert meant is None or f"did you mean {meant!r}" in err


def test_an_unknown_input_is_named_unless_it_may_be_a_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["invoke", "createImage", "-i", "prompt=x", "--sandbox"]
    for name, path in (("foo", "foo"), ("image_size", "image_size"), ("abc123", "***")):
        assert cli.main([*words, "-i", f"{name}=1"]) == 1
        details = json.loads(capsys.readouterr().out)["error"]["details"]
        assert [row["path"] for row in details] == [f"/inputs/{path}"]
