"""What the standard tests share: the connector under test, and the actions, examples and kinds of
connection that they run over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from connector import Connector
from connector.check import loading
from connector.manifest.model import Manifest
from connector.sandbox import KINDS, Sandbox
from tests.conftest import FakeClock


class Project(NamedTuple):
    """The files of a connector: its manifest at `path`, and its handlers, the modules of `package`
    in `package_folder`."""

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


class ConnectorTests:
    """Tests of one connector.

    A test with an argument `action`, `example` or `kind` runs once for each of them.
    """

    document: ClassVar[Mapping[str, Any]]
    """The manifest as data. Pytest names the tests by it before any fixture exists."""

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

    def connection(self, sandbox: Sandbox, kind: str) -> dict[str, Any]:
        """Return a connection to the sandbox, of the first kind that the manifest declares."""
        declared = self.document["connections"][0]
        return {**sandbox.connection(kind), "key": declared["key"]}
