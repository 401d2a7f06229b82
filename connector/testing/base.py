"""What the standard tests share: the connector under test, and the actions, examples and kinds of
connection that they run over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from connector.check import loading
from connector.connector import Connector
from connector.handlers import HANDLERS
from connector.manifest import reader
from connector.manifest.model import Manifest
from connector.policy import budget, pauses
from connector.policy.clock import Clock
from connector.runtime.flag import Flag
from connector.sandbox import Sandbox
from connector.sandbox.catalog import TODAY
from connector.sandbox.connection import connection_to


class Project(NamedTuple):
    """A connector under test: its manifest at `path`, and `package`, that of its functions."""

    path: Path
    package: str
    manifest: Manifest


def project_of(path: Path, package: str | None) -> Project:
    """Return the project of the manifest at `path`, which has `schemas/` beside it."""
    manifest = loading.load(path)
    return Project(path, package or manifest.handlers or HANDLERS, manifest)


class Example(NamedTuple):
    """One example of an action, as the manifest gives it."""

    action: str
    inputs: Mapping[str, Any]


def _examples(document: Mapping[str, Any]) -> list[Any]:
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

    manifest: ClassVar[Path]
    handlers: ClassVar[str | None] = None
    page: ClassVar[Path | None] = None
    frozen_manifests: ClassVar[Sequence[Path]] = ()
    kinds: ClassVar[Sequence[str]] = ("echo",)
    document: ClassVar[Mapping[str, Any]]
    """The manifest as data. Pytest names the tests by it before any fixture exists."""

    @classmethod
    def set_up(
        cls,
        manifest: Path,
        handlers: str | None = None,
        page: Path | None = None,
        frozen: Sequence[Path] = (),
        kinds: Sequence[str] = ("echo",),
    ) -> None:
        """Say what is tested; see `standard_tests`."""
        cls.manifest, cls.handlers, cls.page = manifest, handlers, page
        cls.frozen_manifests, cls.kinds = frozen, kinds
        cls.document = reader.read(manifest)

    @pytest.fixture(scope="class")
    @classmethod
    def project(cls) -> Project:
        """The connector under test, not yet made."""
        return project_of(cls.manifest, cls.handlers)

    @pytest.fixture
    def connector(self, project: Project) -> Iterator[Connector]:
        """The connector under test. Retries wait no time."""
        budget.clear()
        pauses.clear()
        made = Connector(project.manifest, project.package, clock=_clock())
        yield made
        made.close()

    @pytest.fixture(scope="class")
    @classmethod
    def _running(cls) -> Iterator[Sandbox]:
        with Sandbox(cls.document.get("models", {})) as sandbox:
            yield sandbox

    @pytest.fixture
    def sandbox(self, _running: Sandbox) -> Sandbox:
        """The offline provider, with nothing received yet."""
        _running.reset()
        return _running

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = metafunc.fixturenames
        if "action" in names:
            metafunc.parametrize("action", [item["key"] for item in self.document["actions"]])
        if "example" in names:
            metafunc.parametrize("example", _examples(self.document))
        if "kind" in names:
            metafunc.parametrize("kind", self.kinds)

    def connection(
        self, sandbox: Sandbox, kind: str | None = None, fault: str | None = None
    ) -> dict[str, Any]:
        """Return a connection to the sandbox, of the first kind that the manifest declares.

        `kind` is the sandbox's, by default the first of the tested ones. With a `fault` of the
        sandbox every request fails.
        """
        connection = connection_to(sandbox, kind or self.kinds[0], self.document)
        if fault is not None:
            url = f"{sandbox.url}/fault/{fault}"
            fields = connection["fields"]
            for key, value in fields.items():
                if isinstance(value, str):
                    fields[key] = value.replace(sandbox.url, url)
        return connection

    def secrets(self, connection: Mapping[str, Any]) -> list[str]:
        """Return the keys of the secret fields that a connection has."""
        (kind,) = [
            item for item in self.document["connections"] if item["key"] == connection["key"]
        ]
        return [
            field["key"]
            for field in kind["fields"]
            if field.get("secret") and field["key"] in connection["fields"]
        ]


def _clock() -> Clock:
    slept = [0.0]

    def sleep(seconds: float, cancelled: Flag) -> None:
        slept[0] += seconds

    return Clock(
        monotonic=lambda: time.monotonic() + slept[0],
        sleep=sleep,
        random=lambda: 1.0,
        today=lambda: TODAY,  # models retire as time goes by
    )
