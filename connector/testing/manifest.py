"""Standard tests of a manifest and of what is made from it: schemas, descriptions, the page."""

from __future__ import annotations

import inspect
import json
import pkgutil
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from connector.check import functions, report
from connector.connector import Connector
from connector.doors import page
from connector.doors.cli import main as cli
from connector.manifest import reader
from connector.manifest.model import ABSENT
from connector.manifest.schemas import DIALECT, bundle
from connector.sandbox import Sandbox
from connector.testing.base import ConnectorTests, Project, project_of

UNREFERENCED: Final = {"manifest.schema.json"}
"""Schema files that no action refers to: editors read them."""


class ManifestTests(ConnectorTests):
    """Tests of the manifest as a whole."""

    def test_the_check_finds_no_problem(self, project: Project) -> None:
        assert report.check(project.path, project.package) == []

    def test_handlers_and_manifest_are_a_bijection(
        self, project: Project, connector: Connector
    ) -> None:
        find = connector.catalog.handlers.find
        named = [find(name) for name in _named_handlers(connector)]
        assert {_place(each) for each in named} == {_place(each) for each in _defined(project)}
        assert len({*named}) == len(named)
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

    def test_the_page_is_current(self, project: Project, connector: Connector) -> None:
        """The committed page, if there is one."""
        if self.page is not None:
            text = self.page.read_text(encoding="utf-8")
            wanted = page.render(connector, page.folder_from(self.page, project.path))
            assert text == wanted, f"write {self.page.name} again: connector docs"

    def test_the_commands_show_every_action(
        self,
        connector: Connector,
        project: Project,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        own = ["--manifest", str(project.path.resolve()), "--handlers", project.package]
        monkeypatch.chdir(tmp_path)
        assert cli.main(["check", *own]) == 0
        assert cli.main(["docs", *own]) == 0
        assert cli.main(["docs", "--check", *own]) == 0
        capsys.readouterr()
        assert cli.main(["describe", *own]) == 0
        assert json.loads(capsys.readouterr().out) == connector.describe()
        for name in [*connector.manifest.actions, "connection"]:
            assert cli.main(["schema", name, *own]) == 0
            assert json.loads(capsys.readouterr().out) == connector.schema(name)

    def test_older_manifests_still_load_and_run(
        self, project: Project, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """Each manifest as it was released, with the functions of today."""
        shutil.copytree(project.path.parent / "schemas", tmp_path / "schemas")
        for frozen in self.frozen_manifests:
            path = tmp_path / frozen.name
            shutil.copy(frozen, path)
            older = project_of(path, project.package)
            with Connector(older.manifest, older.package) as connector:
                for key, action in connector.manifest.actions.items():
                    connector.catalog.handlers.find(action.handler)
                    for example in action.examples:
                        connection = self.connection(sandbox)
                        result = connector.invoke(key, example["inputs"], connection, dry_run=True)
                        assert result.ok, (frozen.name, result.error)


def _named_handlers(connector: Connector) -> set[str]:
    spec = connector.manifest
    kinds = spec.connections.values()
    return {
        *(item.handler for item in spec.actions.values()),
        *(item.handler for item in spec.data_sources.values()),
        *(name for kind in kinds for name in (kind.handler, kind.test) if name),
    }


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _defined(project: Project) -> Iterator[Callable[..., Any]]:
    """Yield the public functions of a package that take what a manifest's functions take."""
    package = import_module(project.package)
    found = pkgutil.walk_packages(package.__path__, f"{project.package}.")
    for module in [package, *(import_module(item.name) for item in found)]:
        for name, value in vars(module).items():
            is_own = inspect.isfunction(value) and value.__module__ == module.__name__
            if is_own and not name.startswith("_"):
                parameters = tuple(inspect.signature(value).parameters)
                if parameters in (functions.ACTION, functions.SOURCE, functions.KIND):
                    yield value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
