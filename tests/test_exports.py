"""The files of `connector export`: valid, within the limits of their platforms, without keys."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate
from PIL import Image

from connector import Connector
from connector.doors import export, openapi
from connector.doors.cli.main import main
from connector.doors.export.older_schema import older
from connector.policy.clock import SYSTEM_CLOCK
from tests.support.manifests import changed

CONNECTOR = Connector.load()
ACTIONS = CONNECTOR.describe()["actions"]
KEY = "sk-a-key-of-the-operator-0123456789"


def made(target: str, connector: Connector = CONNECTOR) -> Mapping[str, bytes]:
    return export.files(connector, target)


def data(target: str, name: str, connector: Connector = CONNECTOR) -> Any:
    return json.loads(made(target, connector)[name])


@pytest.mark.parametrize("target", export.TARGETS)
def test_no_file_has_a_key_of_the_environment(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "CONNECTOR_TOKEN"):
        monkeypatch.setenv(name, KEY)
    connector = Connector.load(connections={"mine": {"fields": {"apiKey": KEY}}})
    for content in made(target, connector).values():
        assert KEY.encode() not in content
        assert b"mine" not in content


@pytest.mark.parametrize(
    ("target", "name", "path"),
    [
        ("openapi", "openapi.json", ("info", "version")),
        ("openapi", "swagger.json", ("info", "version")),
        ("power-platform", "apiDefinition.swagger.json", ("info", "version")),
        ("node-red", "package.json", ("version",)),
    ],
)
def test_files_have_the_version_of_the_manifest(target: str, name: str, path: Any) -> None:
    found = data(target, name)
    for key in path:
        found = found[key]
    assert found == CONNECTOR.describe()["version"]


# OpenAPI


def test_openapi_is_what_the_door_serves() -> None:
    assert data("openapi", "openapi.json") == openapi.document(CONNECTOR)


@pytest.mark.parametrize("name", ["openapi.json", "swagger.json"])
def test_openapi_is_valid_with_an_operation_an_action(name: str) -> None:
    document = data("openapi", name)
    validate(document)
    found = {row["operationId"] for path in document["paths"].values() for row in path.values()}
    assert {row["key"] for row in ACTIONS} <= found


def swagger_check(document: Any, schema: Any, value: Any) -> None:
    """Fail unless `value` is what a schema of a Swagger document allows."""
    whole = nullable({**schema, "definitions": document["definitions"]})
    jsonschema.Draft4Validator(whole).validate(value)


def nullable(value: Any) -> Any:
    """Return a schema with `null` written as JSON Schema has it."""
    if isinstance(value, list):
        return [nullable(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: nullable(item) for key, item in value.items()}
    if value.get("x-nullable") is True:
        found["type"] = [value["type"], "null"]
    return found


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row["key"])
def test_swagger_allows_what_the_connector_takes_and_returns(row: Any) -> None:
    document = data("openapi", "swagger.json")
    operation = document["paths"][f"/v1/actions/{row['key']}"]["post"]
    for example in row["examples"]:
        payload = {"connection": "sandbox", "inputs": example["inputs"]}
        swagger_check(document, operation["parameters"][0]["schema"], payload)
    meta = {"action": row["key"], "provider": "openai", "attempts": 1, "durationMs": 1}
    meta |= {"requestId": None, "warnings": []}
    error = {"code": "partial_failure", "message": "-", "retryable": False, "sent": "unknown"}
    for example in row["outputExamples"]:
        success = {"ok": True, "data": example["data"], "meta": meta}
        for envelope in (success, {**success, "ok": False, "error": error}):
            swagger_check(document, operation["responses"]["200"]["schema"], envelope)


@pytest.mark.parametrize(
    ("newer", "expected"),
    [
        (True, {}),
        ({"type": ["string", "null"]}, {"type": "string", "x-nullable": True}),
        ({"type": ["string", "array"], "items": {}}, {}),
        ({"type": ["array", "object"]}, {"type": "array", "items": {}}),
        ({"const": 1}, {"enum": [1]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"required": []}, {}),
        ({"examples": ["a", "b"]}, {"example": "a"}),
        ({"$ref": "#/components/schemas/A"}, {"$ref": "#/definitions/A"}),
        (
            {"title": "A", "anyOf": [{"type": "null"}, {"type": "string"}]},
            {"title": "A", "type": "string", "x-nullable": True},
        ),
        ({"anyOf": [{"type": "string"}]}, {}),
        ({"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]}, {}),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, {}),
        ({"properties": {"a": False}}, {}),
        (
            {"additionalProperties": {"const": 1}, "type": "object"},
            {"additionalProperties": {"enum": [1]}, "type": "object"},
        ),
    ],
)
def test_schemas_in_words_of_swagger(newer: Any, expected: Any) -> None:
    assert older(newer) == expected


def test_properties_of_conditions_keep_what_holds_in_each() -> None:
    conditions = [
        {"then": {"properties": {"a": {"type": "string", "minLength": 1}, "b": {"type": "null"}}}},
        {"else": {"properties": {"a": {"type": "string"}, "b": False}}},
    ]
    found = older({"allOf": conditions})
    assert found == {"properties": {"a": {"type": "string"}, "b": {}}}


# Power Platform: the limits are in docs/power-platform.md


def power_platform() -> Any:
    return data("power-platform", "apiDefinition.swagger.json")


def operations() -> Iterator[Any]:
    for methods in power_platform()["paths"].values():
        yield from methods.values()


def each_mapping(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        # Values of inputs are no schemas, though one of an input that takes a schema looks like it.
        value = [item for key, item in value.items() if key not in ("default", "example")]
    if isinstance(value, list):
        for item in value:
            yield from each_mapping(item)


def test_the_custom_connector_is_valid_and_small_enough() -> None:
    assert len(made("power-platform")["apiDefinition.swagger.json"]) < 1_000_000
    document = power_platform()
    validate(document)
    assert {"oneOf", "anyOf", "allOf", "not"}.isdisjoint(
        key for value in each_mapping(document) for key in value
    )
    assert document["schemes"] == ["https"]
    info = document["info"]
    assert len(info["title"]) <= 30
    assert 30 <= len(info["description"]) <= 500
    for text in (info["title"], info["description"]):
        assert not re.search(r"\b(API|Connector|Power\w*|Copilot)\b", text)


def test_operations_keep_to_the_platform_s_rules() -> None:
    rows = list(operations())
    assert {row["operationId"].lower() for row in rows} >= {row["key"].lower() for row in ACTIONS}
    assert len({row["operationId"] for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"([A-Z][a-z0-9]+)+", row["operationId"])
        assert len(row["summary"]) <= 80
        assert "/" not in row["summary"]
        assert row["summary"][-1].isalnum()
        assert row["description"].endswith(".")
        assert row["description"] != row["summary"]
        assert "200" in row["responses"]


def test_each_property_has_a_title_and_each_dropdown_its_operation() -> None:
    document = power_platform()
    known = {row["operationId"] for row in operations()}
    used = set()
    for schema in each_mapping([document["definitions"], document["paths"]]):
        properties = schema.get("properties", {})
        if schema.get("type") == "object" and isinstance(properties, dict):
            for key, value in properties.items():
                if "$ref" not in value:
                    assert 0 < len(value["x-ms-summary"]) <= 80, key
        if "x-ms-dynamic-values" in schema:
            used.add(schema["x-ms-dynamic-values"]["operationId"])
        assert schema.get("x-ms-visibility", "important") in ("important", "advanced", "internal")
    assert used
    assert used | {document["x-ms-capabilities"]["testConnection"]["operationId"]} <= known


@pytest.mark.parametrize("row", ACTIONS, ids=lambda row: row["key"])
def test_the_custom_connector_sends_what_the_connector_takes(row: Any) -> None:
    document = power_platform()
    operation = document["paths"][f"/v1/actions/{row['key']}"]["post"]
    for example in row["examples"]:
        swagger_check(document, operation["parameters"][0]["schema"], {"inputs": example["inputs"]})


def test_the_connection_of_the_platform_has_server_token_and_name() -> None:
    properties = data("power-platform", "apiProperties.json")["properties"]
    parameters = properties["connectionParameters"]
    kinds = {key: value["type"] for key, value in parameters.items()}
    assert kinds == {"host": "string", "token": "securestring", "connection": "string"}
    text = json.dumps(properties["policyTemplateInstances"])
    assert set(re.findall(r"connectionParameters\('(\w+)'\)", text)) == set(kinds)
    templates = [row["templateId"] for row in properties["policyTemplateInstances"]]
    assert templates == ["dynamichosturl", "setheader", "setproperty"]


def test_the_icon_is_a_small_opaque_square_of_the_brand_colour() -> None:
    content = made("power-platform")["icon.png"]
    assert len(content) < 1_000_000
    colour = data("power-platform", "apiProperties.json")["properties"]["iconBrandColor"]
    assert colour not in ("#ffffff", "#007ee5")
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert image.width == image.height
        assert 100 <= image.width <= 230
        assert image.getpixel((0, 0)) == tuple(bytes.fromhex(colour[1:]))


# Node-RED


def definition(connector: Connector = CONNECTOR) -> Any:
    return data("node-red", "definition.json", connector)


def test_a_node_an_action_with_each_input_and_its_help() -> None:
    page = made("node-red")["connector.html"].decode()
    found = {row["key"]: row for row in definition()["actions"]}
    for row in ACTIONS:
        node = found[row["key"]]
        items = [item for item in row["inputs"] if item["key"] != "connection"]
        assert [item["key"] for item in node["inputs"]] == [item["key"] for item in items]
        assert f'data-template-name="{node["type"]}"' in page
        _, _, text = page.partition(f'data-help-name="{node["type"]}">')
        text, _, _ = text.partition("</script>")
        for item in items:
            assert f": {item['label']} (" in text
            assert item["comments"] in text


def test_inputs_have_the_types_that_suit_their_schema() -> None:
    types = {
        (row["key"], item["key"]): item["types"]
        for row in definition()["actions"]
        for item in row["inputs"]
    }
    rest = ["msg", "flow", "global", "jsonata", "env"]
    assert types["createChatCompletion", "model"] == ["str", *rest]
    assert types["createChatCompletion", "temperature"] == ["num", *rest]
    assert types["createChatCompletion", "messages"] == ["json", *rest]
    assert types["createChatCompletion", "stop"] == ["json", "str", *rest]
    assert types["createImage", "imageSize"] == ["choice", *rest]
    assert types["rawRequest", "retryAllErrors"] == ["bool", *rest]


def test_new_nodes_begin_with_what_is_required() -> None:
    begun = {
        (row["key"], item["key"]): (item["initialType"], item["initial"])
        for row in definition()["actions"]
        for item in row["inputs"]
    }
    assert begun["createChatCompletion", "model"] == ("str", "gpt-4o-mini")
    assert begun["createChatCompletion", "temperature"] == ("num", "")
    assert begun["summarizeText", "textToSummarize"] == ("msg", "payload")
    assert begun["extractData", "text"] == ("msg", "payload")
    assert begun["extractData", "schema"] == ("msg", "schema")
    assert begun["createImage", "imageSize"] == ("choice", "1024x1024")
    assert begun["rawRequest", "method"] == ("choice", "GET")
    assert begun["rawRequest", "retryAllErrors"] == ("bool", "false")


# Another connector


def test_texts_of_a_manifest_cannot_end_a_script(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    connector = other(tmp_path, label=evil)
    page = made("node-red", connector)["connector.html"].decode()
    assert evil not in page
    assert page.count("<script") == page.count("</script>") == made_scripts(connector)


def made_scripts(connector: Connector) -> int:
    """Return how many script elements the page has: the code, and two a node."""
    return 1 + 2 * (1 + len(connector.manifest.actions))


def test_long_texts_are_cut_and_an_icon_is_not_needed(tmp_path: Path) -> None:
    connector = other(tmp_path, label="A very long label of an input " * 4)
    files = made("power-platform", connector)
    with Image.open(io.BytesIO(files["icon.png"])) as image:
        assert image.size == (230, 230)
    document = json.loads(files["apiDefinition.swagger.json"])
    validate(document)
    titles = [value.get("x-ms-summary", "") for value in each_mapping(document["definitions"])]
    assert max(map(len, titles)) == 80
    assert "icons/connector.png" not in made("node-red", connector)


def other(folder: Path, label: str) -> Connector:
    """Return a connector without an icon, one of whose inputs has this label."""

    def change(raw: Any) -> None:
        del raw["icon"]
        raw["actions"][0]["inputs"][0]["label"] = label

    return changed(folder, change, SYSTEM_CLOCK)


# The command


@pytest.mark.parametrize("target", export.TARGETS)
def test_the_command_writes_the_files(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / target
    assert main(["export", target, "--out", str(folder)]) == 0
    files = made(target)
    for name, content in files.items():
        assert (folder / name).read_bytes() == content
    assert capsys.readouterr().out == f"{len(files)} files written to {folder}.\n"


def test_a_missing_package_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["export", "power-platform", "--out", str(tmp_path)]) == 2
    assert "pip install 'azure-openai-service-connector[export]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert main(["export", "openapi", "--out", str(file)]) == 1
    assert "cannot be written" in capsys.readouterr().err
