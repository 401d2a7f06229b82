"""CONNECTOR_DEBUG=1 shows the traceback of a defect, and never a key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.sandbox import Sandbox

from .conftest import FakeClock
from .support.manifests import changed

pytestmark = pytest.mark.core

KEY = "sk-sandbox-0123456789abcdef"

HANDLERS = """
def fails(inputs, client):
    secret = client._attempts.secret.reveal()
    {}

def connect(fields, tokens):
    try:
        raise KeyError(fields["apiKey"])
    except KeyError as error:
        raise TypeError("Bearer " + fields["apiKey"]) from error

def inner(secret):
    try:
        raise ValueError("first, with " + secret)
    except ValueError as error:
        error.add_note("a note with " + secret)
        raise RuntimeError("then \\x1b[31m" + secret.upper()) from error
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "failing_handlers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        yield folder
    for name in [name for name in sys.modules if name.startswith("failing_handlers")]:
        del sys.modules[name]


def connector_of(
    package: Path, fake_clock: FakeClock, statement: str, kind: str | None = None
) -> Connector:
    (package / "go.py").write_text(HANDLERS.format(statement), encoding="utf-8")

    def change(raw: dict[str, Any]) -> None:
        raw["handlers"] = package.name
        raw["connections"][0].pop("handler")
        if kind is not None:
            raw["connections"][0]["handler"] = kind
        raw["actions"] = [
            {"key": "go", "label": "Go", "description": "Go.", "handler": "go.fails", "inputs": []}
        ]

    return changed(package.parent, change, fake_clock.clock())


def run(connector: Connector, sandbox: Sandbox) -> None:
    connection = sandbox.connection("openai")
    connection["fields"]["apiKey"] = KEY
    result = connector.invoke("go", {}, connection)
    assert result.error is not None
    assert result.error.code == "internal_error"
    assert result.error.hint == "Set CONNECTOR_DEBUG=1 to see the traceback."
    connector.close()


CASES = [
    ("inner(secret)", None, ["RuntimeError", "then \\x1b[31m***", "first, with ***", "a note"]),
    ("raise client.each(inner, [secret])[0]", None, ["RuntimeError", "first, with ***"]),
    ("return {1, secret}", None, []),
    ("pass", "go.connect", ["TypeError: Bearer ***", "KeyError: '***'"]),
]


@pytest.mark.parametrize(("statement", "kind", "shown"), CASES, ids=[case[0] for case in CASES])
def test_a_defect_is_shown_with_its_causes_and_without_the_key(
    statement: str,
    kind: str | None,
    shown: list[str],
    package: Path,
    fake_clock: FakeClock,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    connector = connector_of(package, fake_clock, statement, kind)
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    run(connector, sandbox)
    told = capfd.readouterr().err
    assert "Traceback (most recent call last):\n" in told
    for text in shown:
        assert text in told
    assert KEY not in told
    assert KEY.upper() not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_is_shown_by_default(
    value: str | None,
    package: Path,
    fake_clock: FakeClock,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    connector = connector_of(package, fake_clock, "inner(secret)")
    monkeypatch.delenv("CONNECTOR_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("CONNECTOR_DEBUG", value)
    run(connector, sandbox)
    assert capfd.readouterr().err == ""


def test_a_module_that_cannot_be_imported_is_shown(
    package: Path,
    fake_clock: FakeClock,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    connector_of(package, fake_clock, "pass\n1 / 0").close()
    told = capfd.readouterr().err
    assert "go.py" in told
    assert "ZeroDivisionError" in told
