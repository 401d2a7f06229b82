"""`connector check` finds functions with wrong parameters, and inputs that no function reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.check import report

pytestmark = pytest.mark.core

PACKAGE = "checked_handlers"
ROWS = {
    "handler": ("/actions/0/handler", "inputs, client"),
    "check": ("/actions/0/check", "inputs, bad"),
    "source": ("/dataSources/0/handler", "client"),
    "kind": ("/connections/0/handler", "fields, tokens"),
    "test": ("/connections/0/test", "client"),
}


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Returns the problems of a manifest whose functions are in a module with the given text."""

    def found(text: str, *inputs: str) -> list[str]:
        folder = tmp_path / PACKAGE
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "other.py").write_text(OTHER, encoding="utf-8")
        (folder / "go.py").write_text(text, encoding="utf-8")
        path = tmp_path / "connector.yaml"
        path.write_text(json.dumps(manifest(*inputs)), encoding="utf-8")
        return [row.partition(":1: ")[2] for row in report.check(path)]

    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        yield found
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def manifest(*inputs: str) -> dict[str, Any]:
    def named(key: str) -> dict[str, Any]:
        return {"key": key, "label": key, "comments": key, "schema": {"type": "string"}}

    words = {"label": "A label", "description": "A description"}
    action = {"key": "go", **words, "inputs": [named(key) for key in inputs]}
    return {
        "manifestVersion": 1,
        "key": "checked",
        **words,
        "handlers": PACKAGE,
        "connections": [
            {
                "key": "one",
                "label": "One",
                "handler": "go.kind",
                "test": "go.test",
                "fields": [named("apiKey")],
            }
        ],
        "dataSources": [{"key": "choices", "label": "Choices", "handler": "go.source"}],
        "actions": [{**action, "handler": "go.handler", "check": "go.check"}],
    }


RIGHT = {name: f"def {name}({parameters}): ..." for name, (_, parameters) in ROWS.items()}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"handler": "def handler(given, way): ..."},
        {"handler": "def handler(inputs, client, more=1): ..."},
        {"handler": "def handler(*arguments): ..."},
        {"handler": "__all__ = ['handler']\nhandler = max"},
        {"handler": "class handler:\n    def __init__(self, inputs, client): ..."},
    ],
)
def test_functions_with_the_right_parameters_are_no_problem(
    problems: Callable[..., list[str]], other: dict[str, str]
) -> None:
    assert problems("\n".join({**RIGHT, **other}.values())) == []


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("given", ["", "one, two, three", "client, inputs, *, key", "*, client"])
def test_a_function_with_the_wrong_parameters_is_a_problem(
    problems: Callable[..., list[str]], name: str, given: str
) -> None:
    place, right = ROWS[name]
    (row,) = problems("\n".join({**RIGHT, name: f"def {name}({given}): ..."}.values()))
    shown = given.replace("*, ", "")
    assert row == f"{place}: go.{name} takes ({shown}); write: def {name}({right})"


def test_parameters_in_the_wrong_order_are_a_problem(problems: Callable[..., list[str]]) -> None:
    (row,) = problems("\n".join({**RIGHT, "handler": "def handler(client, inputs): ..."}.values()))
    assert row.endswith("takes (client, inputs); write: def handler(inputs, client)")


def test_an_async_handler_is_a_problem(problems: Callable[..., list[str]]) -> None:
    (row,) = problems(
        "\n".join({**RIGHT, "handler": "async def handler(inputs, client): ..."}.values())
    )
    assert row.endswith("called from threads; write: def handler(inputs, client)")


def test_a_package_that_is_missing_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "connector.yaml"
    path.write_text(json.dumps({**manifest(), "handlers": "no_such.actions"}), encoding="utf-8")
    (row,) = report.check(path)
    assert row.endswith(
        "/handlers: there is no package no_such.actions; "
        "install it, or name the package that holds the functions"
    )


OTHER = """
NAMES = {"temperature": ("seven", "t")}

def read(values):
    return values["seven"]

def hand_on(values):
    return dict(values)

class Reader:
    def __init__(self, client, values):
        self.value = values.get("seven")
"""

READS = [
    'inputs["seven"]',
    'inputs.get("seven")',
    '"seven" in inputs',
    "read(inputs)",
    "read(values=inputs)",
    "other.read(inputs)",
    "Reader(client, inputs)",
    "hand_on(inputs)",
    "dict(inputs)",
    "client.post('/', inputs)",
    "client.post('/', {**inputs})",
    "[key for key in inputs]",
    "inputs.items()",
    "(lambda: inputs['seven'])()",
    "[inputs[key] for key, _ in NAMES.values()]",
    "[inputs.get(key) for key in {'seven': 7}]",
    "[key for key in ('seven', 'eight') if key in inputs]",
    "all_of[0](inputs)",
]


@pytest.mark.parametrize("expression", READS)
def test_an_input_that_is_read_is_no_problem(
    problems: Callable[..., list[str]], expression: str
) -> None:
    body = f"from {PACKAGE} import other\nfrom {PACKAGE}.other import *\nall_of = [read]\n"
    rows = {**RIGHT, "handler": f"def handler(inputs, client):\n    return {expression}"}
    assert problems(body + "\n".join(rows.values()), "seven") == []


def test_an_input_may_be_read_by_the_check_alone_or_by_a_pattern(
    problems: Callable[..., list[str]],
) -> None:
    rows = {**RIGHT, "check": "def check(inputs, bad): inputs.get('seven')"}
    pattern = "def handler(inputs, client):\n    match inputs:\n        case {'eight': 8}: ..."
    assert problems("\n".join({**rows, "handler": pattern}.values()), "seven", "eight") == []


NOT_READS = [
    "client.post('/', {'seven': inputs['eight']})",
    "client.post('/', inputs['eight'])['seven']",
    "client.other.get('seven', inputs['eight'])",
    "read_other(inputs)",
    "[inputs[key] for key in NAMES]",
]


@pytest.mark.parametrize("expression", NOT_READS)
def test_an_input_that_nothing_reads_is_a_problem(
    problems: Callable[..., list[str]], expression: str
) -> None:
    body = "NAMES = ['eight']\ndef read_other(values): return values['eight']\n"
    handler = f"def handler(inputs, client):\n    'Of seven.'\n    return {expression}"
    (row,) = problems(body + "\n".join({**RIGHT, "handler": handler}.values()), "seven", "eight")
    assert row == (
        "/actions/0/inputs/0/key: go.handler does not read this input; "
        'use inputs["seven"], or remove the input'
    )
