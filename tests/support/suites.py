"""The standard tests of a connector, generated from its manifest.

A test module subclasses `ConnectorSuite` and defines a fixture `project`. Every action and every
example of the manifest is then tested: an added action is covered before it has a test of its own.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from connector import Connector, Result
from connector.check import loading, report
from connector.doors import cli, page, preparation
from connector.manifest import reader
from connector.manifest.model import ABSENT, Manifest
from connector.manifest.schemas import DIALECT, bundle
from connector.sandbox import KINDS, Sandbox
from connector.validation.validator import Validator
from tests.conftest import FakeClock

UNREFERENCED: Final = {"manifest.schema.json", "binary.schema.json"}
"""Schema files that no action refers to: editors and engines read them."""


class Project(NamedTuple):
    """The parts of a connector: its manifest at `path`, its handlers below `package`, whose modules
    are in `package_folder`."""

    path: Path
    package: str
    package_folder: Path
    manifest: Manifest


def project(path: Path, package: str, package_folder: Path) -> Project:
    """Return the project of the manifest at `path`, which has `schemas/` beside it."""
    return Project(path, package, package_folder, loading.load(path))


class Example(NamedTuple):
    """One example of an action, as the manifest gives it."""

    action: str
    inputs: Mapping[str, Any]


def examples(document: Mapping[str, Any]) -> list[Any]:
    """Return every example of a manifest as a parameter of a test."""
    return [
        pytest.param(
            Example(action["key"], example["inputs"]), id=f"{action['key']}: {example['name']}"
        )
        for action in document["actions"]
        for example in action.get("examples", ())
    ]


class ConnectorSuite:
    """Tests that every connector passes."""

    document: ClassVar[Mapping[str, Any]]
    """The manifest as data. Pytest needs it to name the tests, before there are fixtures."""

    @pytest.fixture
    def connector(self, project: Project, fake_clock: FakeClock) -> Iterator[Connector]:
        made = Connector(project.manifest, project.package, clock=fake_clock.clock())
        yield made
        made.close()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "action" in metafunc.fixturenames:
            metafunc.parametrize("action", [item["key"] for item in self.document["actions"]])
        if "example" in metafunc.fixturenames:
            metafunc.parametrize("example", examples(self.document))
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", KINDS)

    # The manifest

    def test_the_check_finds_no_problem(self, project: Project) -> None:
        assert report.check(project.path, project.package) == []

    def test_handlers_and_manifest_are_a_bijection(
        self, project: Project, connector: Connector
    ) -> None:
        named = _named_handlers(connector)
        assert sorted(_defined_handlers(project.package_folder)) == sorted(named)
        assert len({connector.handler(name) for name in named}) == len(named)
        actions = connector.manifest.actions
        assert len({item.handler for item in actions.values()}) == len(actions)

    def test_every_reference_resolves_and_every_schema_file_is_used(
        self, project: Project, connector: Connector
    ) -> None:
        spec = connector.manifest
        used: set[str] = set()
        pending = [*_references(spec.raw), *(a.output for a in spec.actions.values() if a.output)]
        while pending:
            name = pending.pop()
            if name not in used:
                used.add(name)
                pending += _references(spec.schemas(name))
        folder = project.path.parent / "schemas"
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}
        assert used == files - UNREFERENCED

    def test_every_schema_file_is_a_schema(self, project: Project, connector: Connector) -> None:
        folder = project.path.parent / "schemas"
        for path in sorted(folder.rglob("*.json")):
            schema = reader.read(path)
            assert schema["$schema"] == DIALECT, path.name
            jsonschema.Draft202012Validator.check_schema(schema)
            if path.name != "manifest.schema.json":
                name = path.relative_to(folder).as_posix()
                whole = bundle(name, connector.manifest.schemas)
                jsonschema.Draft202012Validator.check_schema(whole)

    # What engines and form builders read

    def test_describe_is_json_and_each_form_begins_with_the_connection(
        self, connector: Connector
    ) -> None:
        described = json.loads(json.dumps(connector.describe(), allow_nan=False))
        assert described["key"] == connector.manifest.key
        assert [item["key"] for item in described["actions"]] == list(connector.manifest.actions)
        connection = self.document.get("connectionInput")
        for described_action, action in zip(
            described["actions"], connector.manifest.actions.values(), strict=True
        ):
            rows = described_action["inputs"]
            if connection is not None:
                first = rows.pop(0)
                assert first["key"] == "connection"
                assert first["required"] is True
                assert first["label"] == connection["label"]
            assert [row["key"] for row in rows] == [item.key for item in action.inputs]

    def test_the_schema_of_an_action_is_a_closed_object(
        self, connector: Connector, action: str
    ) -> None:
        schema = connector.schema(action)
        jsonschema.Draft202012Validator.check_schema(schema)
        inputs = connector.manifest.actions[action].inputs
        assert list(schema["properties"]) == [item.key for item in inputs]
        assert schema["additionalProperties"] is False
        assert {*schema["required"]} == {
            item.key for item in inputs if item.required and item.default is ABSENT
        }

    def test_the_page_has_every_action_with_every_input(
        self, connector: Connector, action: str
    ) -> None:
        spec = connector.manifest.actions[action]
        heading = f"### {spec.label} {{#{action.lower()}}}\n"
        _, found, section = page.render(connector).partition(heading)
        assert found
        rows = section.partition("\n### ")[0].splitlines()
        for item in spec.inputs:
            assert any(row.startswith(f"| {item.label} | ") for row in rows), item.key

    def test_the_commands_show_every_action(
        self,
        connector: Connector,
        project: Project,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        use_on_the_command_line(connector, monkeypatch)
        monkeypatch.chdir(tmp_path)
        assert cli.main(["check", str(project.path), "--handlers", project.package]) == 0
        assert cli.main(["docs"]) == 0
        assert cli.main(["docs", "--check"]) == 0
        capsys.readouterr()
        assert cli.main(["describe"]) == 0
        assert json.loads(capsys.readouterr().out) == connector.describe()
        for name in [*connector.manifest.actions, "connection"]:
            assert cli.main(["schema", name]) == 0
            assert json.loads(capsys.readouterr().out) == connector.schema(name)

    # The inputs of an action

    def test_every_action_has_an_example(self, connector: Connector, action: str) -> None:
        assert connector.manifest.actions[action].examples

    def test_every_default_and_example_validates(self, connector: Connector, action: str) -> None:
        schema = connector.schema(action)
        spec = connector.manifest.actions[action]
        (raw,) = (item for item in self.document["actions"] if item["key"] == action)
        for item, entry in zip(spec.inputs, raw["inputs"], strict=True):
            single = Validator({**schema, "required": []})
            for value in (item.default, entry.get("example", ABSENT)):
                if value is not ABSENT:
                    assert single.explain({item.key: value}) == [], item.key
            assert not item.required or item.default is not ABSENT or "example" in entry
        for example in spec.examples:
            assert connector.form(action).clean(example["inputs"]).problems == []

    def test_every_problem_of_the_inputs_is_reported_at_once(
        self, connector: Connector, sandbox: Sandbox, action: str
    ) -> None:
        """A required input is missing, another is out of its bounds, one does not exist."""
        inputs: dict[str, Any] = {"noSuchInput": 1}
        missing = []
        for item in connector.manifest.actions[action].inputs:
            value = _out_of_bounds(item.schema)
            if item.required and item.default is ABSENT:
                missing.append(item.key)
            elif value is not ABSENT:
                inputs[item.key] = value
        result = connector.invoke(action, inputs, self.connection(sandbox, "openai"))
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("invalid_input", "no")
        paths = {row["path"] for row in result.error.details or ()}
        assert paths == {f"/inputs/{key}" for key in [*inputs, *missing]}
        assert sandbox.requests == []

    def test_a_check_copes_with_any_inputs_missing(
        self, connector: Connector, example: Example
    ) -> None:
        """The check of an action sees only the inputs that are valid."""
        spec = connector.manifest.actions[example.action]
        if spec.check is None:
            return
        check = connector.handler(spec.check)
        whole = connector.form(example.action).clean(example.inputs).values
        for key in whole:
            check({name: value for name, value in whole.items() if name != key}, {key})
            check({key: whole[key]}, {*whole} - {key})
        check({}, set(whole))

    def test_without_a_connection_nothing_is_sent(
        self, connector: Connector, example: Example
    ) -> None:
        result = connector.invoke(example.action, example.inputs)
        assert result.error is not None
        assert (result.error.code, result.error.sent) == ("invalid_connection", "no")

    # The examples on the sandbox

    def test_an_example_sends_what_its_dry_run_shows(
        self, connector: Connector, sandbox: Sandbox, example: Example, kind: str
    ) -> None:
        connection = self.connection(sandbox, kind)
        planned = connector.invoke(example.action, example.inputs, connection, dry_run=True)
        assert planned.error is None
        assert sandbox.requests == []
        plans = planned.data if isinstance(planned.data, list) else [planned.data]
        result = connector.invoke(example.action, example.inputs, connection)
        assert result.error is None
        assert result.meta["action"] == example.action
        assert result.meta["attempts"] == len(plans)
        json.dumps(result.to_dict(), allow_nan=False)
        sent = [(r.method, sandbox.url + r.path, [*r.query.items()]) for r in sandbox.requests]
        assert sorted(sent) == sorted(
            (plan["method"], plan["url"].partition("?")[0], parse_qsl(urlsplit(plan["url"]).query))
            for plan in plans
        )
        key = connection["fields"]["apiKey"]
        assert key not in json.dumps([planned.to_dict(), result.to_dict()])

    def test_a_wrong_key_is_reported(
        self, connector: Connector, sandbox: Sandbox, example: Example, kind: str
    ) -> None:
        connection = self.connection(sandbox, kind)
        connection["fields"]["apiKey"] += "-wrong"
        error = _error(connector.invoke(example.action, example.inputs, connection))
        assert (error["code"], error["retryable"], error["sent"]) == (
            "authentication_failed",
            False,
            "rejected",
        )
        assert connection["fields"]["apiKey"] not in json.dumps(error)

    @pytest.mark.parametrize(
        ("fault", "code", "sent"),
        [
            ("error", "server_error", "rejected"),
            ("rate-limit", "rate_limited", "rejected"),
            ("quota", "quota_exhausted", "rejected"),
            ("cut", "protocol_error", "unknown"),
            ("html", "invalid_response", "unknown"),
        ],
    )
    def test_a_failure_of_the_provider_is_reported(
        self,
        connector: Connector,
        sandbox: Sandbox,
        example: Example,
        fault: str,
        code: str,
        sent: str,
    ) -> None:
        connection = self.connection(sandbox, "openai")
        connection["fields"]["endpoint"] += f"/fault/{fault}"
        error = _error(connector.invoke(example.action, example.inputs, connection))
        assert (error["code"], error["sent"]) == (code, sent)

    def test_an_empty_response_is_no_defect(
        self, connector: Connector, sandbox: Sandbox, example: Example
    ) -> None:
        connection = self.connection(sandbox, "openai")
        connection["fields"]["endpoint"] += "/fault/empty"
        result = connector.invoke(example.action, example.inputs, connection)
        assert result.ok or _error(result)["code"] == "invalid_response"

    def connection(self, sandbox: Sandbox, kind: str) -> dict[str, Any]:
        """Return a connection to the sandbox under the key that the manifest gives it."""
        (declared,) = self.document["connections"]
        return {**sandbox.connection(kind), "key": declared["key"]}


def use_on_the_command_line(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands run on `connector` in place of the bundled one."""
    for module in (cli, preparation):
        monkeypatch.setattr(module, "bundled", lambda *_: connector)


def _named_handlers(connector: Connector) -> set[str]:
    spec = connector.manifest
    tests = (item.test for item in spec.connections.values())
    return {
        *(item.handler for item in spec.actions.values()),
        *(item.handler for item in spec.data_sources.values()),
        *(test for test in tests if test),
    }


def _defined_handlers(folder: Path) -> Iterator[str]:
    """Yield the public functions of a package whose last argument is a client."""
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = [argument.arg for argument in node.args.args]
                if names in (["inputs", "client"], ["client"]):
                    yield f"{path.stem}.{node.name}"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _out_of_bounds(schema: Mapping[str, Any]) -> Any:
    """Return a value that a schema refuses, ABSENT where it states no simple bound."""
    if "enum" in schema:
        return "none of these"
    if "maximum" in schema:
        return schema["maximum"] + 1
    if "maxLength" in schema:
        return "x" * (schema["maxLength"] + 1)
    return ABSENT


def _error(result: Result) -> dict[str, Any]:
    """Return the error of a result, of its first failed item where only items failed."""
    envelope = result.to_dict()
    assert not envelope["ok"], envelope
    error: dict[str, Any] = envelope["error"]
    if error["code"] == "partial_failure":
        items = envelope["data"]["choices"]
        error = next(item["error"] for item in items if item["error"])
    return error
