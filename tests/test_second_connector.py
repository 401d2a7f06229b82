"""The runtime knows no action: another connector is a manifest, schemas and one function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.manifest import reader
from connector.sandbox import KINDS, Sandbox
from connector.testing import standard_tests

from .conftest import FakeClock

pytestmark = pytest.mark.core

FOLDER = Path(__file__).parent / "second"


TestSecondConnector = standard_tests(
    FOLDER / "connector.yaml", handlers="tests.second.handlers", kinds=KINDS
)
TestSecondConnectorOnEcho = standard_tests(
    FOLDER / "connector.yaml", handlers="tests.second.handlers"
)


@pytest.fixture
def second(fake_clock: FakeClock) -> Iterator[Connector]:
    made = Connector.load(
        FOLDER / "connector.yaml", handlers="tests.second.handlers", clock=fake_clock.clock()
    )
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_on_every_surface(second: Connector, sandbox: Sandbox, kind: str) -> None:
    connection = {"key": "service", "fields": sandbox.connection(kind)["fields"]}
    inputs = {"texts": '["tide", "harbour"]', "dimensions": "3"}
    result = second.invoke("embed", inputs, connection)
    assert result.ok, result.error
    assert [len(vector) for vector in result.data] == [3, 3]
    assert result.meta["action"] == "embed"
    assert result.meta["usage"]["total_tokens"] > 0
    (request,) = sandbox.requests
    path = {
        "openai": "/v1/embeddings",
        "azure": "/openai/v1/embeddings",
        "azure-dated": "/openai/deployments/text-embedding-3-small/embeddings",
    }[kind]
    assert request.path == path
    assert request.headers["user-agent"].startswith("vectors-connector/")
    assert json.loads(request.body) == {
        "model": "text-embedding-3-small",
        "input": ["tide", "harbour"],
        "dimensions": 3,
    }


def test_its_inputs_are_cleaned_by_its_own_manifest(second: Connector) -> None:
    result = second.invoke("embed", {"text": ["x"]}, {"fields": {"apiKey": "k"}})
    assert result.error is not None
    assert result.error.details == [
        {"path": "/inputs/text", "message": "is not known here; did you mean 'texts'?"},
        {"path": "/inputs/texts", "input": "Texts", "message": 'is required; for example ["tide"]'},
    ]


ADA = {"model": "text-embedding-ada-002", "dimensions": 3}


@pytest.mark.parametrize(
    ("inputs", "paths"),
    [
        ({"texts": ["a"], **ADA}, ["/inputs/dimensions"]),
        ({"texts": "[", **ADA}, ["/inputs/texts", "/inputs/dimensions"]),
        ({**ADA, "dimensions": 0}, ["/inputs/texts", "/inputs/dimensions"]),
        ({"model": 1, "dimensions": 3}, ["/inputs/texts", "/inputs/model"]),
    ],
)
def test_the_problems_of_its_check_are_reported_with_the_rest(
    second: Connector, sandbox: Sandbox, inputs: Any, paths: list[str]
) -> None:
    connection = {"key": "service", "fields": sandbox.connection("openai")["fields"]}
    result = second.invoke("embed", inputs, connection)
    assert result.error is not None
    assert [row["path"] for row in result.error.details or ()] == paths
    assert sandbox.requests == []


def test_a_missing_check_is_an_invalid_manifest(sandbox: Sandbox) -> None:
    spec = reader.load(FOLDER / "connector.yaml")
    action = spec.actions["embed"]._replace(check="rules.none")
    made = Connector(spec._replace(actions={"embed": action}), "tests.second.handlers")
    connection = {"key": "service", "fields": sandbox.connection("openai")["fields"]}
    result = made.invoke("embed", {}, connection)
    assert result.error is not None
    assert result.error.code == "invalid_manifest"
    assert made.invoke("embed", {"texts": ["a"]}, connection).ok
    made.close()


def test_it_has_no_other_actions(second: Connector) -> None:
    result = second.invoke("createImage", {}, {"fields": {"apiKey": "k"}})
    assert result.error is not None
    assert result.error.code == "unknown_action"
    assert result.error.hint == "Actions: embed"


def test_its_connection_has_no_test(second: Connector) -> None:
    result = second.test_connection({"fields": {"apiKey": "sk-none"}})
    assert result.error is not None
    assert result.error.code == "invalid_manifest"


def test_its_forms_and_schemas_are_its_own(second: Connector) -> None:
    assert second.describe()["key"] == "vectors"
    assert [row["key"] for row in second.describe()["actions"][0]["inputs"]] == [
        "texts",
        "model",
        "dimensions",
    ]
    schema = second.schema("embed")
    assert schema["properties"]["texts"]["title"] == "Texts"
    assert schema["required"] == ["texts"]
    assert second.schema("connection")["required"] == ["apiKey"]
