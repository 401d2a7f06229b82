"""Connections by name, targets kept for the next call, and keys that stay secret."""

from __future__ import annotations

import json
import logging
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError, connections
from connector.sandbox import Sandbox
from connector.targets import Target, Targets

from .conftest import FakeClock

KEY = "sk-never-shown-0123456789"
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def openai(sandbox: Sandbox, **fields: Any) -> dict[str, Any]:
    return {"fields": {**sandbox.connection("openai")["fields"], **fields}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.yaml", "main:\n  fields:\n    apiKey: ${MY_KEY}\n    isOpenAIKey: true\n"),
        ("c.json", '{\n\t"main": {"fields": {"apiKey": "${MY_KEY}", "isOpenAIKey": true}}}'),
        ("c", '{"main": {"fields": {"apiKey": "${MY_KEY}", "isOpenAIKey": true}}}'),
    ],
)
def test_a_file_of_connections(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = connections.named("main", connections.read(path), {"MY_KEY": "k"})
    assert found == {"fields": {"apiKey": "k", "isOpenAIKey": True}}


def test_the_environment_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, fake_clock: FakeClock
) -> None:
    path = tmp_path / "connections.json"
    path.write_text(json.dumps({"main": openai(sandbox, apiKey="${MY_KEY}")}), encoding="utf-8")
    monkeypatch.setenv("CONNECTOR_CONNECTIONS", str(path))
    monkeypatch.setenv("MY_KEY", "sk-sandbox")
    connector = Connector.load(clock=fake_clock.clock())
    assert connector.call("createChatCompletion", CHAT, "main")["object"] == "chat.completion"
    monkeypatch.delenv("MY_KEY")
    result = connector.invoke("createChatCompletion", CHAT, "main")
    assert result.error is not None
    assert "MY_KEY" in result.error.message
    given = Connector.load(connections=path)
    assert given.invoke("createChatCompletion", CHAT, "other").error is not None
    connector.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "must map names"),
        ("sk-never-shown-0123456789", "must map names"),
        ("main: {apiKey: sk-never-shown-0123456789", "not valid YAML or JSON"),
        ("a: 1\na: sk-never-shown-0123456789", "not valid YAML or JSON"),
        ("a: &x sk-never-shown-0123456789\nb: *x", "not valid YAML or JSON"),
        ("\x00sk-never-shown-0123456789", "not valid YAML or JSON"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_of_no_use(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    result = Connector.load(connections=path).invoke("createChatCompletion", CHAT, "main")
    assert result.error is not None
    assert result.error.code == "invalid_connection"
    assert message in result.error.message
    assert KEY not in json.dumps(result.to_dict())


def test_an_unusable_file_does_not_hide_the_problems_of_the_inputs(tmp_path: Path) -> None:
    connector = Connector.load(connections=tmp_path / "none.yaml")
    result = connector.invoke("createImage", {}, "main")
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == ["/connection", "/inputs/prompt"]


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${A}", "1"),
        ("x-${A}-${B}", "x-1-${A}"),  # what is filled in is not filled in again
        ("$A ${} ${1}", "$A ${} ${1}"),
        ({"deep": ["${A}", True]}, {"deep": ["1", True]}),
        (7, 7),
    ],
)
def test_variables_are_filled_in_once(value: Any, filled: Any) -> None:
    known = {"n": {"fields": value}}
    found = connections.named("n", known, {"A": "1", "B": "${A}"})
    assert found == {"fields": filled}
    assert known == {"n": {"fields": value}}


# Targets


def targets() -> Targets:
    return Targets(Connector.load().manifest, {})


def test_the_same_fields_share_a_target_however_they_are_written() -> None:
    made = targets()
    one = made.find({"fields": {"apiKey": "k", "isOpenAIKey": True}})
    assert made.find({"key": "apiKey", "fields": {"isOpenAIKey": "true", "apiKey": "k"}}) is one
    assert made.find({"fields": {"apiKey": "other", "isOpenAIKey": True}}) is not one
    made.close()
    assert made.find({"fields": {"apiKey": "k", "isOpenAIKey": True}}) is not one


def test_old_targets_are_closed_and_forgotten() -> None:
    made = targets()
    found = [made.find({"fields": {"apiKey": f"k{n}", "isOpenAIKey": True}}) for n in range(200)]
    assert made.find({"fields": {"apiKey": "k199", "isOpenAIKey": True}}) is found[199]
    assert made.find({"fields": {"apiKey": "k0", "isOpenAIKey": True}}) is not found[0]


def test_targets_are_safe_in_threads() -> None:
    made, found, failed = targets(), [], []

    def look(number: int) -> None:
        try:
            for n in range(100):
                connection = {"fields": {"apiKey": f"k{(n * number) % 90}", "isOpenAIKey": True}}
                target: Target = made.find(connection)
                found.append(target.provider.secret.reveal() == connection["fields"]["apiKey"])
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert all(found)


# Secrets


@pytest.mark.parametrize("action", ["createChatCompletion", "rawRequest"])
def test_a_key_shows_nowhere(
    action: str, sandbox: Sandbox, connector: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inputs = {**CHAT} if action != "rawRequest" else {"method": "GET"}
    for fields in (
        {"apiKey": KEY},
        {"apiKey": KEY + "-wrong"},
        {"apiKey": KEY, "endpoint": "http://127.0.0.1:9"},
        {"apiKey": KEY, "endpoint": "https://169.254.169.254"},
        {"apiKey": KEY + "\n"},
    ):
        connection = openai(sandbox, **fields)
        result = connector.invoke(action, inputs, connection)
        dry = connector.invoke(action, inputs, connection, dry_run=True)
        shown = [json.dumps(result.to_dict()), json.dumps(dry.to_dict()), repr(result), caplog.text]
        if result.error is not None:
            shown += [str(result.error), repr(result.error)]
            try:
                connector.call(action, inputs, connection)
            except ConnectorError as error:
                trace = traceback.TracebackException.from_exception(error, capture_locals=True)
                ours = [frame for frame in trace.stack if frame.filename != __file__]
                trace.stack = traceback.StackSummary.from_list(ours)
                shown.append("".join(trace.format()))
        assert not any(KEY in text for text in shown)


def test_a_key_that_a_caller_repeats_is_masked_in_a_dry_run(connector: Connector) -> None:
    inputs = {
        "method": "POST",
        "url": f"/v1/x?key={KEY}",
        "data": {"key": KEY},
        "queryParams": {"k": KEY},
        "headers": {"X-Key": KEY},
    }
    connection = {"fields": {"apiKey": KEY, "isOpenAIKey": True}}
    result = connector.invoke("rawRequest", inputs, connection, dry_run=True)
    assert result.ok
    assert KEY not in json.dumps(result.to_dict())


def test_a_connector_is_not_pickled() -> None:
    import pickle

    with pytest.raises(TypeError, match="load one in each process"):
        pickle.dumps(Connector.load())


def test_names_with_a_space_are_no_way_to_a_connections_form(connector: Connector) -> None:
    connector.schema("connection")
    connection = {"fields": {"apiKey": "k", "isOpenAIKey": True}}
    for name in ("connection apiKey", "connection", "apiKey", "", 3, ["createImage"], None):
        result = connector.invoke(name, {}, connection)  # type: ignore[arg-type] # on purpose
        assert result.error is not None
        assert result.error.code == "unknown_action"
