"""`--query`: one value of the result, chosen by a JMESPath expression."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from connector.doors.cli import main as cli
from connector.sandbox import Sandbox

RAW = ["invoke", "rawRequest", "--method", "GET", "--url"]
TEXT = ["invoke", "summarizeText", "--model", "gpt-4o", "--text-to-summarize", "Tides.\nHarbours."]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    for name in ("CONNECTOR_CONNECTIONS", "AZURE_OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sandbox")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{sandbox.url}/v1")


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("ok", "true"),
        ("meta.attempts", "1"),
        ("meta.action", "summarizeText"),
        ("data.choices[0].index", "0"),
        ("type(data.usage)", "object"),
        ("[ok, meta.provider]", '[true, "openai"]'),
        ("{action: meta.action}", '{"action": "summarizeText"}'),
        ("data.choices[?index > `5`]", "[]"),
        ("data.choices[::1] | length(@)", "1"),
        ("join('|', [meta.provider, meta.action])", "openai|summarizeText"),
        ("not_null(data.nothing, meta.provider, ok)", "openai"),
    ],
)
def test_one_value_is_printed(
    expression: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*TEXT, "--query", expression]) == 0
    assert capsys.readouterr() == (f"{printed}\n", "")


def test_a_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["invoke", "createChatCompletion", "--model", "gpt-4o", "--dry-run"]
    content = "one\n\ttwo \x1b[2J “three”"
    words += ["--messages", json.dumps([{"role": "user", "content": content}])]
    assert cli.main([*words, "--query", "data.body.messages[0].content"]) == 0
    assert capsys.readouterr().out == f"{content}\n"


def test_on_a_terminal_a_text_keeps_its_lines_and_moves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("connector.doors.cli.terminal.is_terminal", lambda: True)
    words = ["invoke", "createImage", "--dry-run", "--prompt", "one\n\ttwo \x1b[2J"]
    assert cli.main([*words, "--query", "data.body.prompt"]) == 0
    assert capsys.readouterr().out == "one\n\ttwo \\x1b[2J\n"


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("data.choices[", "not a JMESPath expression; look at character 14"),
        ("", "not a JMESPath expression"),
        ("data..x", "not a JMESPath expression; look at character 6"),
        ("(" * 100_000, "not a JMESPath expression"),
        ("sk-canary", "not a JMESPath expression"),
        ("data.choices[*].first(@)", "no such function; there are abs, avg, ceil"),
        ("data.choices[].length(text, @)", "length() takes 1 arguments"),
        ("data | [?ok].merge()", "merge() takes at least 1 arguments"),
        ("join(data)", "join() takes 2 arguments"),
    ],
)
def test_a_wrong_expression_is_said_before_anything_is_sent(
    expression: str, says: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (TEXT, ["test-connection"]):
        assert cli.main([*words, "--query", expression]) == 2
        out, err = capsys.readouterr()
        assert (out, says in err, "canary" in err) == ("", True, False), err
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("data.no.such", "the result has no such value"),
        ("nonsense", "the result has no such value"),
        ("length(data.nothing)", "length() cannot take the value that it is given"),
        ("abs(meta.action)", "abs() cannot take the value that it is given"),
        ("data.choices[::0]", "no value"),
    ],
)
def test_a_missing_value_is_said_on_standard_error(
    expression: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*TEXT, "--query", expression]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"connector: --query: {says}\n")


def test_a_failure_is_said_and_its_envelope_can_be_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([*RAW, "/v1/nowhere", "--query", "data.id"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert cli.main([*RAW, "/v1/nowhere", "--query", "error.code"]) == 1
    assert capsys.readouterr().out == "not_found\n"


def test_a_failure_before_the_action_can_be_asked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "payload.json").write_text("[]")
    words = ["invoke", "createImage", "--payload", str(file), "--query", "error.code"]
    assert cli.main(words) == 1
    assert capsys.readouterr().out == "invalid_payload\n"


def test_a_test_of_a_connection_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["test-connection", "--query", "data.key.verdict"]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_without_the_extra_the_message_names_it(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    assert cli.main([*TEXT, "--query", "ok"]) == 2
    says = "--query needs the extra 'cli': pip install 'azure-openai-service-connector[cli]'"
    assert says in capsys.readouterr().err
    assert sandbox.requests == []
