"""Standard tests of a manifest and of what is made from it: schemas, descriptions, the page."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from connector import Connector
from connector.check import report
from connector.doors import page
from connector.doors.cli import main as cli
from connector.doors.cli import manifest as manifest_commands
from connector.doors.cli import preparation
from connector.manifest import reader
from connector.manifest.model import ABSENT
from connector.manifest.schemas import DIALECT, bundle

from .base import ConnectorTests, Project

UNREFERENCED: Final = {"manifest.schema.json"}
"""Schema files that no action refers to: editors read them."""


class ManifestTests(ConnectorTests):
    """Tests of the manifest as a whole."""

    def test_the_check_finds_no_problem(self, project: Project) -> None:
        assert report.check(project.path, project.package) == []

    def test_handlers_and_manifest_are_a_bijection(
        self, project: Project, connector: Connector
    ) -> None:
        named = _named_handlers(connector)
        assert sorted(_defined_handlers(project.package_folder)) == sorted(named)
        assert len({connector.catalog.handlers.find(name) for name in named}) == len(named)
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


def use_on_the_command_line(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands run on `connector` in place of the bundled one."""
    for module in (manifest_commands, preparation):
        monkeypatch.setattr(module, "bundled_connector", lambda *_: connector)


def _named_handlers(connector: Connector) -> set[str]:
    spec = connector.manifest
    kinds = spec.connections.values()
    return {
        *(item.handler for item in spec.actions.values()),
        *(item.handler for item in spec.data_sources.values()),
        *(name for kind in kinds for name in (kind.handler, kind.test) if name),
    }


def _defined_handlers(folder: Path) -> Iterator[str]:
    """Yield the public functions of a package that take what a manifest's functions take."""
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = [argument.arg for argument in node.args.args]
                if names in (["inputs", "client"], ["client"], ["fields", "tokens"]):
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
