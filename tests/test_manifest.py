"""The bundled manifest is valid, older ones keep working, problems are located."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_specifications  # type: ignore[import-untyped] # it has no types
import pytest
import yaml

from connector import Connector, ConnectorError
from connector.check import report
from connector.doors.cli import main as cli
from connector.files import resources
from connector.manifest.reader import SchemaFiles
from connector.manifest.vocabulary import KEYWORDS, OWN
from connector.text import safe_yaml

from .support import work
from .support.manifests import FROZEN

pytestmark = pytest.mark.core

MIB = 1 << 20
CONNECTOR = Connector.load()
SPEC = CONNECTOR.manifest
ROOT = Path(__file__).parent.parent
Edit = Callable[[dict[str, Any]], object]


def test_the_bundled_manifest_passes_the_checks_of_foreign_ones() -> None:
    Connector.load(ROOT / "connector.yaml").close()
    text = (ROOT / "connector.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=./schemas/manifest.schema.json\n")


def test_models_and_default_models_exist() -> None:
    for model in SPEC.models.values():
        assert model.successor is None or model.successor in SPEC.models
        assert set(model.retires) <= {"openai", "azure"}
        for day in model.retires.values():
            assert len(day) == 10
    for key in PAGE:
        for item in SPEC.actions[key].inputs:
            if item.data_source is not None:
                assert item.default in SPEC.models


def test_policies_equal_the_defaults_in_the_code() -> None:
    from connector.policy import limits

    assert limits.policies({}) == SPEC.policies


def test_there_is_an_older_manifest() -> None:
    assert FROZEN


# Foreign manifests, broken


FIELDS = [
    {"key": key, "label": key, "comments": "-", "schema": {"type": kind}}
    for key, kind in (("apiKey", "string"), ("isOpenAIKey", "boolean"))
]


def small() -> dict[str, Any]:
    return {
        "manifestVersion": 1,
        "key": "small",
        "label": "Small",
        "description": "Small.",
        "connections": [{"key": "one", "label": "One", "fields": FIELDS}],
        "actions": [
            {
                "key": "go",
                "label": "Go",
                "description": "Goes.",
                "handler": "raw.raw_request",
                "inputs": [
                    {"key": "data", "label": "X", "comments": "An x.", "schema": {"type": "string"}}
                ],
            }
        ],
    }


def load(raw: Any, folder: Path, schemas: Mapping[str, Any] | None = None) -> Connector:
    path = folder / "connector.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw), encoding="utf-8")
    (folder / "schemas").mkdir(exist_ok=True)
    for name, schema in (schemas or {}).items():
        (folder / "schemas" / name).write_text(json.dumps(schema), encoding="utf-8")
    return Connector.load(path)


def test_a_small_manifest_loads(tmp_path: Path) -> None:
    assert list(load(small(), tmp_path).manifest.actions) == ["go"]


def _schema(fragment: Any) -> Edit:
    return lambda raw: raw["actions"][0]["inputs"][0].update(schema=fragment)


@pytest.mark.parametrize(
    ("edit", "path", "message"),
    [
        (lambda raw: raw.pop("actions"), "/actions", "is required"),
        (lambda raw: raw.update(manifestVersion=2), "/manifestVersion", "must be one of 1"),
        (lambda raw: raw.update(conections=[]), "/conections", "did you mean 'connections'?"),
        (lambda raw: raw.update(connections=[]), "/connections", "must not be empty"),
        (
            lambda raw: raw["connections"][0].update(fields=[]),
            "/connections/0/fields",
            "must have a field apiKey",
        ),
        (
            lambda raw: raw["connections"][0].update(fields=FIELDS[:1]),
            "/connections/0/fields",
            "endpoint, organization or isOpenAIKey",
        ),
        (lambda raw: raw["actions"][0].pop("label"), "/actions/0/label", "is required"),
        (
            lambda raw: raw["actions"][0]["inputs"][0].update(secret="yes"),
            "/actions/0/inputs/0/secret",
            "must be true or false, not a text",
        ),
        (
            lambda raw: raw["actions"].append(copy.deepcopy(raw["actions"][0])),
            "/actions/1/key",
            "the key 'go' is duplicated",
        ),
        (
            lambda raw: raw["actions"][0]["inputs"].append(
                copy.deepcopy(raw["actions"][0]["inputs"][0])
            ),
            "/actions/0/inputs/1/key",
            "the key 'data' is duplicated",
        ),
        (
            lambda raw: raw["actions"][0]["inputs"][0].update(key="connection"),
            "/actions/0/inputs/0/key",
            "the key 'connection' is duplicated",
        ),
        (
            lambda raw: raw["actions"][0].update(handler="os.system()"),
            "/actions/0/handler",
            "must be a function, or a module and a function, such as",
        ),
        (_schema({"type": "strnig"}), "/actions/0/inputs/0/schema", "is not a JSON Schema"),
        (_schema({"pattern": "("}), "/actions/0/inputs/0/schema", "a pattern that cannot be used"),
        (_schema({"pattern": "a{99999999999}"}), "/actions/0/inputs/0/schema", "too large"),
        (_schema({"items": {"pattern": "("}}), "/actions/0/inputs/0/schema", "unterminated"),
        (_schema({"not": {"patternProperties": {"[": {}}}}), "/actions/0/inputs/0/schema", "set"),
        (_schema({"anyOf": [{"pattern": "(" * 999}]}), "/actions/0/inputs/0/schema", "recursion"),
        (_schema({"pattern": "a" * 1001}), "/actions/0/inputs/0/schema", "longer than 1000"),
        (_schema({"$ref": "pattern.schema.json"}), "/actions/0/inputs/0/schema", "multiple repeat"),
        (
            lambda raw: raw["actions"][0].update(output="pattern.schema.json"),
            "/actions/0/output",
            "multiple repeat",
        ),
        (_schema({"minimum": "5"}), "/actions/0/inputs/0/schema", "is not a JSON Schema"),
        (
            _schema({"$ref": "https://example.com/x.schema.json"}),
            "/actions/0/inputs/0/schema",
            "is not a file of schemas/",
        ),
        (_schema({"$ref": "../x.schema.json"}), "/actions/0/inputs/0/schema", "is not a file"),
        (_schema({"$ref": "#/$defs/x"}), "/actions/0/inputs/0/schema", "is not a file"),
        (_schema({"$ref": "none.schema.json"}), "/actions/0/inputs/0/schema", "cannot be read"),
        (_schema({"$ref": "loop.schema.json"}), "/actions/0/inputs/0/schema", "only to itself"),
        (_schema({"$ref": "list.schema.json"}), "/actions/0/inputs/0/schema", "is not a schema"),
        (_schema({"$ref": "remote.schema.json"}), "/actions/0/inputs/0/schema", "is not a file"),
        (
            _schema({"not": {"$dynamicRef": "file:///etc/passwd"}}),
            "/actions/0/inputs/0/schema",
            "$dynamicRef is not supported",
        ),
        (
            lambda raw: raw["actions"][0].update(output="none.schema.json"),
            "/actions/0/output",
            "cannot be read",
        ),
    ],
)
def test_a_problem_of_a_foreign_manifest_is_located(
    edit: Edit, path: str, message: str, tmp_path: Path
) -> None:
    raw = small()
    edit(raw)
    schemas = {
        "loop.schema.json": {"$ref": "loop.schema.json"},
        "list.schema.json": [1],
        "pattern.schema.json": {"items": {"pattern": "a**"}},
        "remote.schema.json": {"items": {"$ref": "http://localhost/x.schema.json"}},
    }
    with pytest.raises(ConnectorError) as caught:
        load(raw, tmp_path, schemas)
    error = caught.value
    assert error.code == "invalid_manifest"
    assert error.hint is not None
    (row,) = error.details or []
    assert row["path"] == path
    assert message in row["message"]
    assert "(line " in row["message"]


OUTPUT = {"type": "object", "properties": {"names": {"items": {"type": "string"}}}}
GOOD = {"name": "Two", "data": {"names": ["a", "b"]}}


@pytest.mark.parametrize(
    ("edit", "problems"),
    [
        ({}, []),
        ({"outputPath": "data.names[1]"}, []),
        ({"output": None}, []),
        (
            {"outputExamples": [GOOD, {"name": "Bad", "data": {"names": ["a", 1]}}]},
            ["/actions/0/outputExamples/1/data/names/1: must be a text, not 1"],
        ),
        (
            {"outputPath": "data.names[2]"},
            ["/actions/0/outputPath: leads to nothing in the first of outputExamples"],
        ),
        (
            {"outputPath": "data.names.first"},
            ["/actions/0/outputPath: leads to nothing in the first of outputExamples"],
        ),
        (
            {"outputPath": "data.name", "outputExamples": []},
            ["/actions/0/outputPath: leads to nothing in the first of outputExamples"],
        ),
    ],
)
def test_examples_of_an_output_are_checked(
    edit: dict[str, Any], problems: list[str], tmp_path: Path
) -> None:
    raw = small()
    action = {"output": "out.schema.json", "outputExamples": [GOOD], **edit}
    raw["actions"][0].update({key: item for key, item in action.items() if item is not None})
    load(raw, tmp_path, {"out.schema.json": OUTPUT})
    found = report.check(tmp_path / "connector.yaml", "connector.actions")
    assert [text.partition(": ")[2] for text in found] == problems


# Unknown keywords


def test_the_known_keywords_are_those_of_json_schema() -> None:
    vocabularies = "core applicator unevaluated validation meta-data format-annotation content"
    found: set[str] = set()
    for name in vocabularies.split():
        address = f"https://json-schema.org/draft/2020-12/meta/{name}"
        found.update(jsonschema_specifications.REGISTRY.contents(address)["properties"])
    assert found | OWN == KEYWORDS


def checked(path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `connector check` prints about a manifest that it refuses, without the file's name."""
    assert cli.main(["check", str(path)]) == 1
    *rows, _ = capsys.readouterr().err.splitlines()
    return [row.removeprefix(f"{path}:") for row in rows]


ONE_INPUT = "/actions/0/inputs/0/schema"
NO_KEYWORD = "is not a JSON Schema keyword; did you mean 'minLength'?"


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        ({"minLenght": 1}, f"{ONE_INPUT}/minLenght", ""),
        ({"items": {"anyOf": [{}, {"minLenght": 1}]}}, f"{ONE_INPUT}/items/anyOf/1/minLenght", ""),
        ({"properties": {"a": {"minLenght": 1}}}, f"{ONE_INPUT}/properties/a/minLenght", ""),
        ({"$defs": {"a": {"minLenght": 1}}}, f"{ONE_INPUT}/$defs/a/minLenght", ""),
        ({"if": {"not": {"minLenght": 1}}}, f"{ONE_INPUT}/if/not/minLenght", ""),
        ({"$ref": "of/a.schema.json"}, ONE_INPUT, "in schemas/of/a.schema.json, /minLenght "),
        ({"$ref": "b.schema.json"}, ONE_INPUT, "in schemas/b.schema.json, /items/minLenght "),
    ],
)
def test_an_unknown_keyword_is_refused(
    schema: Any, path: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = small()
    _schema(schema)(raw)
    raw["actions"][0]["inputs"][0]["default"] = 1  # not validated with a broken schema
    (tmp_path / "schemas" / "of").mkdir(parents=True)
    files = {
        "of/a.schema.json": {"minLenght": 1},
        "b.schema.json": {"items": {"minLenght": 1}},
    }
    with pytest.raises(ConnectorError) as caught:
        load(raw, tmp_path, files)
    (row,) = caught.value.details or []
    assert row["path"] == path
    wanted = message + NO_KEYWORD
    assert row["message"].startswith(f"{wanted} (line ")
    (line,) = checked(tmp_path / "connector.yaml", capsys)
    number = row["message"].removesuffix(")").rpartition(" ")[2]
    assert line == f"{number}: {path}: {wanted}"


def test_an_output_has_only_known_keywords_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = small()
    raw["actions"][0]["output"] = "out.schema.json"
    message = "in schemas/out.schema.json, /not/requires is not a JSON Schema keyword"
    with pytest.raises(ConnectorError, match=message) as caught:
        load(raw, tmp_path, {"out.schema.json": {"not": {"requires": ["a"]}}})
    assert "; did you mean 'required'?" in caught.value.message
    (line,) = checked(tmp_path / "connector.yaml", capsys)
    assert line.endswith(f": /actions/0/output: {message}; did you mean 'required'?")


def test_names_and_data_are_not_read_as_keywords(tmp_path: Path) -> None:
    data = {"minLenght": {"nor": "this"}}
    named = {"minLenght": True}
    raw = small()
    schema = {
        "properties": named,
        "patternProperties": named,
        "dependentSchemas": named,
        "dependentRequired": {"minLenght": ["a"]},
        "$defs": named,
        "enum": [data],
        "const": data,
        "default": data,
        "examples": [data],
        "x-form": "an object",
        "unevaluatedProperties": False,
        "contentMediaType": "text/plain",
    }
    _schema(schema)(raw)
    load(json.dumps(raw), tmp_path)


def test_all_unknown_keywords_are_listed_ten_with_a_suggestion(tmp_path: Path) -> None:
    raw = small()
    _schema({"properties": {f"p{n}": {"titel": "A"} for n in range(30)}})(raw)
    with pytest.raises(ConnectorError) as caught:
        load(raw, tmp_path)
    messages = [row["message"] for row in caught.value.details or ()]
    assert len(messages) == 30
    assert sum("did you mean 'title'?" in message for message in messages) == 10


# The manifest's version, connections with a handler, other APIs


@pytest.mark.parametrize("version", ["0.1.0", "1.20.3", "1.0.0-rc.1", "1.0.0-0a.b-c+build.007"])
def test_a_manifest_may_have_a_version(version: str, tmp_path: Path) -> None:
    raw = small()
    assert load(raw, tmp_path).manifest.version is None
    assert load({**raw, "version": version}, tmp_path).manifest.version == version


@pytest.mark.parametrize(
    "version", ["1", "1.0", "v1.0.0", "1.0.0-", "1.0.0-01", "01.0.0", "1.0.0\n"]
)
def test_a_version_is_a_semantic_one(version: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectorError, match="version: must be a semantic version"):
        load({**small(), "version": version}, tmp_path)


def test_a_connection_may_have_a_handler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = small()
    assert load(raw, tmp_path).manifest.connections["one"].handler is None
    own = {"key": "user", "label": "User", "comments": "A name.", "schema": {"type": "string"}}
    raw["connections"][0] = {**raw["connections"][0], "handler": "raw.nothing", "fields": [own]}
    assert load(raw, tmp_path).manifest.connections["one"].handler == "raw.nothing"
    (line,) = checked(tmp_path / "connector.yaml", capsys)
    assert "/connections/0/handler: There is no handler 'raw.nothing'" in line
    raw["connections"][0]["handler"] = "raw.raw_request"
    load(raw, tmp_path)
    assert cli.main(["check", str(tmp_path / "connector.yaml")]) == 0


def test_a_model_may_be_served_by_any_api(tmp_path: Path) -> None:
    raw = {**small(), "models": {"vectors-1": {"api": "embeddings"}}}
    assert load(raw, tmp_path).manifest.models["vectors-1"].api == "embeddings"
    raw["models"]["vectors-1"]["api"] = ""
    with pytest.raises(ConnectorError, match="/models/vectors-1/api"):
        load(raw, tmp_path)


@pytest.mark.parametrize("name", ["deep.yaml", "deep.json"])
def test_a_manifest_that_nests_too_deeply(name: str, tmp_path: Path) -> None:
    raw = small()
    deep: Any = {"type": "string"}
    for _ in range(60):
        deep = {"type": "array", "items": deep}
    raw["actions"][0]["inputs"][0]["schema"] = deep
    (tmp_path / name).write_text(json.dumps(raw))  # which is YAML too
    with pytest.raises(ConnectorError, match="nested too deeply") as caught:
        Connector.load(tmp_path / name)
    assert caught.value.code == "invalid_manifest"


@pytest.mark.slow
def test_schema_files_that_nest_in_each_other_too_deeply(tmp_path: Path) -> None:
    raw = small()
    raw["actions"][0]["inputs"][0]["schema"] = {"$ref": "s0.schema.json"}
    files: dict[str, Any] = {
        f"s{n}.schema.json": {"items": {"$ref": f"s{n + 1}.schema.json"}} for n in range(900)
    }
    with pytest.raises(ConnectorError, match="nested too deeply") as caught:
        load(raw, tmp_path, {**files, "s900.schema.json": {}})
    assert caught.value.code == "invalid_manifest"


def test_data_and_names_are_not_read_as_patterns(tmp_path: Path) -> None:
    raw = small()
    schema = {"properties": {"pattern": {"type": "string"}}, "enum": [{"pattern": "("}]}
    raw["actions"][0]["inputs"][0]["schema"] = schema
    load(raw, tmp_path)


def test_a_shared_schema_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many inputs refer to it."""
    raw = small()
    (entry,) = raw["actions"][0]["inputs"]
    entry["schema"] = {"$ref": "shared.schema.json"}
    raw["actions"][0]["inputs"] = [{**entry, "key": f"x{n}"} for n in range(20)]
    shared = {"properties": {f"p{n}": {"type": "string"} for n in range(100)}}
    load(json.dumps(raw), tmp_path, {"shared.schema.json": shared})
    checked: list[object] = []
    monkeypatch.setattr(jsonschema.Draft202012Validator, "check_schema", checked.append)
    Connector.load(tmp_path / "connector.yaml")
    assert sum("shared" in str(schema) and "p99" in str(schema) for schema in checked) == 1


@pytest.mark.slow
@pytest.mark.parametrize("entries", [2000, 4000])
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_long_key_is_not_repeated_for_each_value_inside(
    tmp_path: Path, suffix: str, entries: int
) -> None:
    key = "k" * 50_000
    raw = small()
    raw["models"] = {key: {f"p{n}": 1 for n in range(entries)}}
    text = json.dumps(raw)
    if suffix == "yaml":
        text = text.replace(f'"{key}":', f'? "{key}"\n: ')
    path = tmp_path / f"connector.{suffix}"
    path.write_text(text)

    def check() -> None:
        with pytest.raises(ConnectorError) as caught:
            Connector.load(path)
        rows = caught.value.details or ()
        assert len(rows) == entries
        assert all(row["path"].startswith("/models/(50000 characters)/p") for row in rows)
        assert len(caught.value.message) < 300

    check()
    assert work.memory(check) < 20 * MIB


@pytest.mark.slow
def test_many_keys_around_many_values(tmp_path: Path) -> None:
    """The pointer of each value repeats all the keys above it."""
    key = "k" * 90
    text = "".join(" " * depth + f"{key}:\n" for depth in range(45))
    path = tmp_path / "connector.yaml"
    path.write_text(text + " " * 45 + "[" + "1, " * 50_000 + "]\n")

    def check() -> None:
        with pytest.raises(ConnectorError):
            Connector.load(path)

    assert work.memory(check) < 20 * MIB


@pytest.mark.parametrize("name", ["connector.yaml", "connector.json"])
def test_a_manifest_of_more_than_a_mebibyte_is_not_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(64 * MIB)

    def check() -> None:
        with pytest.raises(ConnectorError, match="larger than 1048576 bytes") as caught:
            Connector.load(path)
        assert caught.value.code == "invalid_manifest"

    check()
    assert work.memory(check) < 4 * MIB


def test_all_problems_of_a_foreign_manifest_are_listed_at_once(tmp_path: Path) -> None:
    raw = small()
    raw["key"] = "No Key"
    del raw["actions"][0]["label"]
    raw["connections"].append({"key": "one", "label": "", "fields": []})
    with pytest.raises(ConnectorError) as caught:
        load(raw, tmp_path)
    paths = {row["path"] for row in caught.value.details or ()}
    assert paths == {"/key", "/actions/0/label", "/connections/1/label", "/connections/1/key"}


def test_the_line_of_a_missing_key_is_that_of_its_object(tmp_path: Path) -> None:
    raw = small()
    del raw["actions"][0]["inputs"][0]["label"]
    text = yaml.safe_dump(raw, sort_keys=False)
    with pytest.raises(ConnectorError) as caught:
        load(text, tmp_path)
    (row,) = caught.value.details or []
    line = 1 + text.splitlines().index("  - key: data")
    assert row == {"path": "/actions/0/inputs/0/label", "message": f"is required (line {line})"}


@pytest.mark.parametrize("text", ["", "[]", "a: 1\na: 2", "- x: *y", "{", "\x00", "text"])
def test_a_text_that_is_not_a_manifest(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectorError) as caught:
        load(text, tmp_path)
    assert caught.value.code == "invalid_manifest"


def test_a_manifest_that_does_not_exist(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConnectorError, match="cannot be read") as caught:
            Connector.load(path)
        assert caught.value.code == "invalid_manifest"


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "connector.json"
    path.write_text(json.dumps(small()), encoding="utf-8")
    assert Connector.load(path).manifest.key == "small"
    path.write_text('{"key": 1, "key": 2}', encoding="utf-8")
    with pytest.raises(ConnectorError, match="is duplicated"):
        Connector.load(path)


def test_schema_files_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    (tmp_path / "schemas").mkdir()
    files = SchemaFiles(tmp_path / "schemas")
    for name in ("../secret.json", str(tmp_path / "secret.json")):
        with pytest.raises(ConnectorError, match="outside"):
            files(name)


def test_schemas_may_have_properties_that_are_named_like_keywords(tmp_path: Path) -> None:
    raw = small()
    named = ("default", "enum", "$ref", "$schema", "properties", "const")
    wanted = {"type": "object", "properties": {name: {"$ref": "n.schema.json"} for name in named}}
    _schema(wanted)(raw)
    connector = load(raw, tmp_path, {"n.schema.json": {"$id": "https://a/b", "type": "integer"}})
    form = connector.catalog.form("go")
    for name in named:
        assert form.clean({"data": {name: 1}}).problems == []
        assert [row["path"] for row in form.clean({"data": {name: "a"}}).problems] == [
            f"/inputs/data/{name}"
        ]


# Handlers


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "raw.os.system",
        "raw.jsontext.loads",
        "raw.path_fault",  # imported there, at home elsewhere
        "raw.re",
        "raw._body",
        "raw.nothing",
        "nothing.at_all",
        "raw",
        "raw.",
        ".raw_request",
        "..raw.raw_request",
        "chat.TokenLimit",
        "chat.PATH",
        "raw.raw_request()",
        "raw.raw_request\n",
        "",
        "__init__.x",
        "importlib.import_module",
    ],
)
def test_a_handler_is_a_function_in_its_package(name: str) -> None:
    with pytest.raises(ConnectorError, match="There is no handler") as caught:
        CONNECTOR.catalog.handlers.find(name)
    assert caught.value.code == "invalid_manifest"


def test_a_handler_whose_module_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lacking_handlers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "go.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    connector = Connector(SPEC, "lacking_handlers")
    with pytest.raises(ConnectorError, match="needs not_installed_anywhere"):
        connector.catalog.handlers.find("go.go")
    with pytest.raises(ConnectorError, match="there is no package no_such_package; install it"):
        Connector(SPEC, "no_such_package").catalog.handlers.find("go.go")
    for name, text in (("syntax", "def x(:"), ("end", "raise SystemExit"), ("bad", "1 / 0")):
        (package / f"{name}.py").write_text(text)
        with pytest.raises(ConnectorError, match="cannot be imported") as caught:
            connector.catalog.handlers.find(f"{name}.go")
        assert caught.value.code == "invalid_manifest"


def test_a_handler_may_be_re_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a module of the package freely, from elsewhere by `__all__`."""
    (tmp_path / "shared_functions.py").write_text("def far(inputs, client): return 'far'\n")
    package = tmp_path / "exporting_handlers"
    package.mkdir()
    (package / "near.py").write_text("def near(inputs, client): return 'near'\n")
    (package / "__init__.py").write_text(
        "from shared_functions import far\nfrom .near import near\n__all__ = ['far', 'near']\n"
    )
    (package / "use.py").write_text("from shared_functions import far\nfrom .near import near\n")
    monkeypatch.syspath_prepend(tmp_path)
    connector = load({**small(), "handlers": "exporting_handlers"}, tmp_path)
    find = connector.catalog.handlers.find
    assert [find(name)({}, None) for name in ("far", "near", "use.near")] == ["far", "near", "near"]
    with pytest.raises(ConnectorError, match=r"exporting_handlers\.use only imports it; list it"):
        find("use.far")


# What engines read of it


def test_describe_and_schema_are_copies() -> None:
    CONNECTOR.describe()["actions"][0]["inputs"].clear()
    CONNECTOR.schema("createImage")["properties"].clear()
    CONNECTOR.schema("connection")["properties"].clear()
    assert CONNECTOR.describe()["actions"][0]["inputs"]
    assert CONNECTOR.schema("createImage")["properties"]
    assert CONNECTOR.schema("connection")["properties"]


PAGE = {
    "createChatCompletion": "model messages temperature topP numChoices",
    "createImage": "prompt numImages imageSize",
    "createCompletions": "model messages",
    "rawRequest": "url method data formData fileData fileDataFileNames queryParams headers "
    "responseType timeout retryDelayMS retryAllErrors maxRetries useExponentialBackoff",
    "summarizeText": "model textToSummarize",
}


def test_the_keys_of_actions_inputs_and_fields() -> None:
    assert SPEC.key == "azure-openai-service"
    assert list(SPEC.actions)[: len(PAGE)] == list(PAGE)  # new ones follow
    for key, words in PAGE.items():
        keys = [item.key for item in SPEC.actions[key].inputs]
        own = words.split()
        assert keys[: len(own)] == own
        assert all(item.advanced for item in SPEC.actions[key].inputs[len(own) :])
        assert not any(item.advanced for item in SPEC.actions[key].inputs[: len(own)])
    fields = [item.key for item in SPEC.connections["apiKey"].fields]
    assert fields[:5] == ["apiKey", "organization", "isOpenAIKey", "endpoint", "apiVersion"]
    assert [item.key for item in SPEC.connections["apiKey"].fields if item.secret] == [
        "apiKey",
        "proxy",
    ]
    assert list(SPEC.data_sources) == ["selectModel"]


def test_the_manifest_is_read_from_the_repository() -> None:
    assert resources.root() == ROOT
    assert safe_yaml.loads((ROOT / "connector.yaml").read_text(encoding="utf-8")) == SPEC.raw
