"""Connections by name, connections that are kept for later calls, and keys that stay secret."""

from __future__ import annotations

import json
import logging
import os
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError
from connector.connections import configured as configured_file
from connector.connections.store import ConnectionStore
from connector.handlers import HANDLERS, Handlers
from connector.http.reach import Reach
from connector.providers.ready import ReadyConnection
from connector.sandbox import Sandbox

from .conftest import FakeClock

pytestmark = pytest.mark.core

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
    found = configured_file.get("main", configured_file.read(path).connections, {"MY_KEY": "k"})
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
        ("main: {apiKey: sk-never-shown-0123456789", "not valid YAML or JSON (line 2)"),
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
    found = configured_file.get("n", known, {"A": "1", "B": "${A}"})
    assert found == {"fields": filled}
    assert known == {"n": {"fields": value}}


# Who may change and who may read the file


def configured(folder: Path, mode: int, key: str = "${MY_KEY}", **fields: Any) -> Path:
    path = folder / "connections.json"
    fields = {"apiKey": key, "isOpenAIKey": True, "endpoint": "http://127.0.0.1:1", **fields}
    path.write_text(json.dumps({"prod-billing": {"fields": fields}}), encoding="utf-8")
    path.chmod(mode)
    return path


def planned(connector: Connector, connection: Any = "prod-billing") -> Any:
    return connector.invoke("rawRequest", {"method": "GET"}, connection, dry_run=True)


@pytest.fixture
def _my_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)


@pytest.mark.usefixtures("_my_key")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o660, 0o622, 0o666, 0o777, 0o664])
def test_a_file_that_others_may_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = configured(tmp_path, mode)
    connector = Connector.load(connections=path)
    result = planned(connector)
    assert result.error is not None
    assert (result.error.code, result.error.sent) == ("invalid_connection", "no")
    assert "may be changed by other users" in result.error.message
    assert "chmod go-w" in (result.error.hint or "")
    assert str(path) not in json.dumps(result.to_dict())
    path.chmod(0o600)
    assert planned(connector).ok


@pytest.mark.usefixtures("_my_key")
def test_the_target_of_a_link_counts(tmp_path: Path) -> None:
    path, link = configured(tmp_path, 0o666), tmp_path / "link.json"
    link.symlink_to(path)
    assert planned(Connector.load(connections=link)).error.code == "invalid_connection"
    path.chmod(0o600)
    assert planned(Connector.load(connections=link)).ok


class Owned:
    """What the system says of a file that belongs to the user `uid`."""

    def __init__(self, found: os.stat_result, uid: int) -> None:
        self.found, self.st_uid = found, uid

    def __getattr__(self, name: str) -> Any:
        return getattr(self.found, name)


@pytest.mark.usefixtures("_my_key")
@pytest.mark.parametrize(("owner", "user", "ok"), [(7, 7, True), (0, 7, True), (8, 7, False)])
def test_a_file_belongs_to_the_user_or_to_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, user: int, ok: bool
) -> None:
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda number: Owned(real(number), owner))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    result = planned(Connector.load(connections=configured(tmp_path, 0o600)))
    assert result.ok is ok
    if result.error is not None:
        assert result.error.code == "invalid_connection"
        assert "belongs to another user" in result.error.message


@pytest.mark.usefixtures("_my_key")
@pytest.mark.parametrize(
    ("mode", "fields", "warns"),
    [
        (0o644, {"key": KEY}, True),
        (0o640, {"key": KEY}, True),
        (0o604, {"key": KEY}, True),
        (0o644, {"proxy": "http://user:password@127.0.0.1:3128"}, True),
        (0o600, {"key": KEY}, False),
        (0o644, {}, False),
        (0o644, {"proxy": "http://user:${MY_KEY}@127.0.0.1:3128"}, False),
    ],
)
def test_a_file_with_keys_that_others_may_read_is_worth_a_warning(
    tmp_path: Path, mode: int, fields: dict[str, Any], warns: bool
) -> None:
    connector = Connector.load(connections=configured(tmp_path, mode, **fields))
    for _ in range(2):
        result = planned(connector)
        assert result.ok
        assert ["chmod go-r" in text for text in result.meta["warnings"]] == [True] * warns
    assert KEY not in json.dumps(result.to_dict())
    inline = {"fields": {"apiKey": KEY, "isOpenAIKey": True, "endpoint": "http://127.0.0.1:1"}}
    assert planned(connector, inline).meta["warnings"] == []


def test_what_an_engine_configures_itself_is_in_no_file() -> None:
    known = {"prod": {"fields": {"apiKey": KEY, "isOpenAIKey": True}}}
    result = planned(Connector.load(connections=known), "prod")
    assert result.ok
    assert result.meta["warnings"] == []


@pytest.mark.usefixtures("_my_key")
def test_on_systems_without_file_modes_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "geteuid")
    result = planned(Connector.load(connections=configured(tmp_path, 0o666, KEY)))
    assert result.ok
    assert result.meta["warnings"] == []


@pytest.mark.parametrize("name", ["prod-biling", "prod", "PROD-BILLING", "billing", KEY, ""])
def test_no_guess_leads_to_a_configured_name(tmp_path: Path, name: str) -> None:
    result = planned(Connector.load(connections=configured(tmp_path, 0o600)), name)
    assert result.error is not None
    assert result.error.code == "invalid_connection"
    shown = json.dumps(result.to_dict())
    assert "prod-billing" not in shown
    assert KEY not in shown


# Connections made ready


def new_store() -> ConnectionStore:
    return ConnectionStore(Connector.load().manifest, Handlers(HANDLERS), {})


def test_the_same_fields_share_a_connection_however_they_are_written() -> None:
    made = new_store()
    one = made.get({"fields": {"apiKey": "k", "isOpenAIKey": True}})
    assert made.get({"key": "apiKey", "fields": {"isOpenAIKey": "true", "apiKey": "k"}}) is one
    assert made.get({"fields": {"apiKey": "other", "isOpenAIKey": True}}) is not one
    made.close()
    assert made.get({"fields": {"apiKey": "k", "isOpenAIKey": True}}) is not one


def test_old_connections_are_closed_and_forgotten() -> None:
    made = new_store()
    found = [made.get({"fields": {"apiKey": f"k{n}", "isOpenAIKey": True}}) for n in range(200)]
    assert made.get({"fields": {"apiKey": "k199", "isOpenAIKey": True}}) is found[199]
    assert made.get({"fields": {"apiKey": "k0", "isOpenAIKey": True}}) is not found[0]


def test_the_store_is_safe_in_threads() -> None:
    made, found, failed = new_store(), [], []

    def look(number: int) -> None:
        try:
            for n in range(100):
                connection = {"fields": {"apiKey": f"k{(n * number) % 90}", "isOpenAIKey": True}}
                ready: ReadyConnection = made.get(connection)
                found.append(ready.authentication.secret.reveal() == connection["fields"]["apiKey"])
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert all(found)


def test_threads_that_connect_at_once_share_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, found, both = new_store(), [], threading.Barrier(2)
    connect = ConnectionStore._connect

    def at_once(made: ConnectionStore, key: str, fields: Mapping[str, Any]) -> ReadyConnection:
        both.wait(60)
        return connect(made, key, fields)

    def look() -> None:
        found.append(made.get({"fields": {"apiKey": "k", "isOpenAIKey": True}}))

    monkeypatch.setattr(ConnectionStore, "_connect", at_once)
    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]


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


def test_a_name_with_a_space_does_not_return_a_connections_form(connector: Connector) -> None:
    connector.schema("connection")
    connection = {"fields": {"apiKey": "k", "isOpenAIKey": True}}
    for name in ("connection apiKey", "connection", "apiKey", "", 3, ["createImage"], None):
        result = connector.invoke(name, {}, connection)  # type: ignore[arg-type] # on purpose
        assert result.error is not None
        assert result.error.code == "unknown_action"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "https://r.services.ai.azure.com/openai/v1/chat/completions",
        ),
        (
            "https://r.openai.azure.com/OpenAI/",
            "https://r.openai.azure.com/openai/v1/chat/completions",
        ),
        ("https://r.openai.azure.com/v1", "https://r.openai.azure.com/openai/v1/chat/completions"),
        (
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?API-Version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("https://gw.example/team/openai", "https://gw.example/team/openai/v1/chat/completions"),
        ("https://r.openai.azure.com/openai/images/generations:submit", None),
        ("https://r.openai.azure.com/openai/realtime", None),
    ],
)
def test_addresses_that_a_portal_shows(
    connector: Connector, endpoint: str, url: str | None
) -> None:
    fields = {"apiKey": "0123456789abcdef", "endpoint": endpoint}
    result = connector.invoke("createChatCompletion", {}, {"fields": fields}, dry_run=True)
    if url is None:
        assert result.error is not None
        assert result.error.code == "invalid_connection"
    else:
        assert result.data["url"] == url


@pytest.mark.parametrize("name", ["proxy", "caFile"])
def test_with_a_limited_reach_only_the_operator_sets_proxy_and_authorities(name: str) -> None:
    fields = {"apiKey": "sk-operators-0123456789", "isOpenAIKey": True, name: "http://127.0.0.1:9"}
    inputs = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    connections = {"configured": {"fields": fields}}
    with Connector.load(connections=connections, reach=Reach()) as limited:
        action = "createChatCompletion"
        # The configured one first: the same fields are then known, and refused all the same.
        assert limited.invoke(action, inputs, "configured", dry_run=True).ok
        error = limited.invoke(action, inputs, {"fields": fields}, dry_run=True).error
        assert error is not None
        assert error.code == "invalid_connection"
        assert error.details is not None
        assert [row["path"] for row in error.details] == [f"/connection/fields/{name}"]
    with Connector.load() as open_to_all:
        assert open_to_all.invoke(action, inputs, {"fields": fields}, dry_run=True).ok
