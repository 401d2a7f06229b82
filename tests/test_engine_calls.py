"""What engines and doors ask of a connector besides invoking: payloads, schemas, names, the icon,
its errors, its end. And whose fault data of the wrong shape is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from connector import Connector, ConnectorError, Payload, __version__
from connector.errors import CODES
from connector.http.sender import OpenResponse
from tests.second.handlers import embed
from tests.support.fault_server import FaultServer, chat_completion
from tests.support.front import connection, inputs_of
from tests.support.manifests import ROOT
from tests.test_second_connector import FOLDER

CHAT = "createChatCompletion"

# Payloads


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", Payload({}, None)),
        (b"{}", Payload({}, None)),
        (b"\xef\xbb\xbf{}", Payload({}, None)),
        ('{"inputs": null, "connection": null}', Payload({}, None)),
        ('{"inputs": {"a": [1, 2.5, null]}}', Payload({"a": [1, 2.5, None]}, None)),
        ('{"connection": "own"}', Payload({}, "own")),
        ('{"connection": {"fields": {}}}', Payload({}, {"fields": {}})),
        ('{"inputs": {"a": "ü"}}'.encode(), Payload({"a": "ü"}, None)),
        (' {"inputs": {}} \n', Payload({}, None)),
    ],
)
def test_a_payload(connector: Connector, text: Any, expected: Payload) -> None:
    found = connector.parse_payload(text)
    assert found == expected
    assert type(found) is Payload


@pytest.mark.parametrize(
    "text",
    [
        "",
        b"",
        "nothing",
        "[]",
        "null",
        '"text"',
        "5",
        "{} {}",
        '{"inputs": {"a": NaN}}',
        '{"inputs": {"a": Infinity}}',
        '{"inputs": {"a": 1e999}}',
        '{"inputs": {"a": 1, "a": 2}}',
        '{"inputs": {}, "inputs": {}}',
        '{"connection": {"fields": {"apiKey": "x", "apiKey": "y"}}}',
        '{"inputs": []}',
        '{"inputs": "text"}',
        '{"connection": 5}',
        '{"connection": []}',
        '{"input": {}}',
        '{"inputs": {}, "more": 1}',
        '{"inputs": {"a": ' + "9" * 5000 + "}}",
        '{"inputs": {"a": ' + "[" * 5000 + "]" * 5000 + "}}",
        '{"inputs": {"a": ' + "[" * 300 + "]" * 300 + "}}",
        '\ufeff{"inputs": {}}',
        b'{"inputs": {"a": "\xff"}}',
        '{"inputs": {}}'.encode("utf-16"),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_what_is_no_payload(connector: Connector, text: Any) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector.parse_payload(text)
    error = caught.value
    assert (error.code, error.sent, error.retryable) == ("invalid_payload", "no", False)


def test_all_problems_of_a_payload_are_listed_and_a_misplaced_key_is_not_quoted(
    connector: Connector,
) -> None:
    key = "sk-0123456789abcdef0123"
    with pytest.raises(ConnectorError) as caught:
        connector.parse_payload(json.dumps({"inputs": [], "connection": 5, key: 1, "input": 1}))
    rows = caught.value.details or ()
    assert {row["path"] for row in rows} == {"/***", "/input", "/inputs", "/connection"}
    assert key not in str(caught.value.to_dict())


# Names, schemas, errors, versions


def test_the_names_of_the_configured_connections() -> None:
    made = Connector.load(connections={"b": connection("https://b.example"), "a": {}})
    assert made.connection_names() == ["a", "b"]
    assert Connector.load(connections={}).connection_names() == []


def test_the_connections_are_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "connections.yaml"
    path.write_text("own: {fields: {apiKey: '${KEY}'}}\n", encoding="utf-8")
    monkeypatch.setenv("CONNECTOR_CONNECTIONS", str(path))
    assert Connector.load().connection_names() == ["own"]  # without the variable's value
    assert Connector.load(connections={"x": {}}).connection_names() == ["x"]
    missing = Connector.load(connections=tmp_path / "none.yaml")
    with pytest.raises(ConnectorError) as caught:
        missing.connection_names()
    assert caught.value.code == "invalid_connection"


def test_an_output_schema_is_that_of_the_data_and_a_copy(connector: Connector) -> None:
    for action in connector.describe()["actions"]:
        schema = connector.output_schema(action["key"])
        schema.clear()
        again = connector.output_schema(action["key"])
        assert again or action["key"] == "rawRequest"
    with pytest.raises(ConnectorError) as caught:
        connector.output_schema("createNothing")
    assert caught.value.code == "unknown_action"


def test_the_table_of_errors(connector: Connector) -> None:
    rows = connector.errors()
    assert [row["code"] for row in rows] == list(CODES)
    for row in rows:
        assert list(row) == ["code", "retryable", "sent", "meaning", "remedy"]
        assert row["retryable"] is CODES[row["code"]].retryable
    rows.clear()
    assert connector.errors()


def test_the_versions_are_listed_side_by_side(tmp_path: Path) -> None:
    assert Connector.load().describe()["runtimeVersion"] == __version__
    second = Copied(tmp_path)
    assert "version" not in second.load().describe()
    described = second.load('version: "2.3.4-rc.1"').describe()
    assert (described["version"], described["runtimeVersion"]) == ("2.3.4-rc.1", __version__)


class Copied:
    """The second connector in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(FOLDER / "schemas", folder / "schemas")

    def load(self, *lines: str) -> Connector:
        """Load it with these lines added to its manifest."""
        text = (FOLDER / "connector.yaml").read_text(encoding="utf-8")
        path = self.folder / "connector.yaml"
        path.write_text("\n".join([text, *lines]), encoding="utf-8")
        return Connector.load(path, handlers="tests.second.handlers")


PNG = b"\x89PNG\r\n\x1a\n"


def test_the_icon_of_the_bundled_manifest_is_a_png(connector: Connector) -> None:
    icon = connector.icon()
    assert icon.startswith(PNG)
    assert icon == (ROOT / connector.describe()["icon"]).read_bytes()


def test_the_icon_of_another_manifest_is_in_its_folder(tmp_path: Path) -> None:
    second = Copied(tmp_path)
    assert second.load().icon() == b""
    made = second.load("icon: images/own.png")
    with pytest.raises(ConnectorError) as caught:
        made.icon()
    assert caught.value.code == "invalid_manifest"
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "own.png").write_bytes(PNG + b"own")
    assert made.icon() == PNG + b"own"


def test_an_icon_does_not_leave_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inside / "own.png").symlink_to(tmp_path / "secret.png")
    made = Copied(inside).load("icon: own.png")
    with pytest.raises(ConnectorError) as caught:
        made.icon()
    assert caught.value.code == "invalid_manifest"


# Its end


def test_the_end_of_a_block_closes_the_sockets() -> None:
    with FaultServer({"json": chat_completion()}) as server:
        given = connection(server.url)
        with Connector.load() as made:
            for _ in range(3):
                assert made.invoke(CHAT, inputs_of(CHAT), given).ok
            assert server.connections == 1
            assert len(server._sockets) == 1
        (thread,) = server._threads  # of the only connection: it ends with its peer's
        thread.join(60)
        assert not thread.is_alive()
        assert server._sockets == set()
        assert made.invoke(CHAT, inputs_of(CHAT), given).ok  # it may be used again
        assert server.connections == 2
        made.close()
        made.close()


def test_a_response_that_is_still_held_keeps_no_idle_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[OpenResponse] = []
    original = OpenResponse.read

    def read(self: OpenResponse, *given: Any) -> Any:
        held.append(self)
        return original(self, *given)

    monkeypatch.setattr(OpenResponse, "read", read)
    with FaultServer({"json": chat_completion()}) as server:
        with Connector.load() as made:
            assert made.invoke(CHAT, inputs_of(CHAT), connection(server.url)).ok
        (thread,) = server._threads
        thread.join(60)
        assert not thread.is_alive()
    assert held


# Whose fault it is


@pytest.mark.parametrize(
    ("answer", "code", "sent"),
    [
        ([{"index": 0, "embedding": ["text"]}], "invalid_response", "unknown"),
        ([{"index": 0, "embedding": {"a": 1}}], "invalid_response", "unknown"),
        ([{"index": 0, "embedding": [0.5]}], None, None),
    ],
)
def test_what_the_provider_sent_and_a_handler_passed_on_is_its_fault(
    answer: Any, code: str | None, sent: str | None
) -> None:
    with (
        Connector.load(FOLDER / "connector.yaml", handlers="tests.second.handlers") as made,
        FaultServer({"json": {"data": answer}}) as server,
    ):
        given = {"key": "service", "fields": connection(server.url)["fields"]}
        result = made.invoke("embed", {"texts": ["a"]}, given)
    error = result.error
    assert ((error and error.code), (error and error.sent)) == (code, sent)


@pytest.mark.parametrize("data", [None, "text", [["x"]], [[{1}]], {"a": 1}, [[float("nan")]]])
def test_data_that_a_handler_made_wrong_is_a_defect(
    monkeypatch: pytest.MonkeyPatch, data: Any
) -> None:
    original = embed.embed

    def wrong(inputs: Any, client: Any) -> Any:
        original(inputs, client)
        return data

    wrong.__module__ = embed.__name__
    monkeypatch.setattr(embed, "embed", wrong)
    with (
        Connector.load(FOLDER / "connector.yaml", handlers="tests.second.handlers") as made,
        FaultServer({"json": {"data": [{"index": 0, "embedding": [0.5]}]}}) as server,
    ):
        given = {"key": "service", "fields": connection(server.url)["fields"]}
        result = made.invoke("embed", {"texts": ["a"]}, given)
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("internal_error", False)
    assert (result.error.sent, result.meta["attempts"]) == ("unknown", 1)
