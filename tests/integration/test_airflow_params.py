"""Each input alone is a parameter of an Airflow DAG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector import Connector

from .conftest import run

CONNECTOR = Connector.load()
PROGRAM = """
import json, sys
from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError

def resolved(schema, value):
    param = Param(**schema)
    try:
        return {"value": param.resolve(value) if value is not None else param.resolve()}
    except ParamValidationError as error:
        return {"error": str(error)}

print(json.dumps([resolved(schema, value) for schema, value in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def resolve(airflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that lets Airflow resolve pairs of a schema and a value, None for the default."""
    home = tmp_path_factory.mktemp("airflow")

    def call(pairs: list[tuple[dict[str, Any], Any]]) -> list[dict[str, Any]]:
        environment = {"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"}
        text = run(str(airflow), "-c", PROGRAM, input=json.dumps(pairs), env=environment)
        found: list[dict[str, Any]] = json.loads(text.splitlines()[-1])
        return found

    return call


def properties() -> list[dict[str, Any]]:
    schemas = [CONNECTOR.schema(action) for action in CONNECTOR.manifest.actions]
    kinds = CONNECTOR.manifest.connections
    schemas += [CONNECTOR.schema("connection", kind=kind) for kind in kinds]
    return [item for schema in schemas for item in schema["properties"].values()]


def test_every_input_is_a_param(resolve: Any) -> None:
    items = properties()
    found = resolve([(item, None) for item in items])
    for item, result in zip(items, found, strict=True):
        if "default" in item:
            assert result == {"value": item["default"]}
        else:
            assert "no default value" in result["error"]


def test_an_example_of_each_input_passes_and_a_wrong_value_does_not(resolve: Any) -> None:
    pairs = []
    for action in CONNECTOR.describe()["actions"]:
        schema = CONNECTOR.schema(action["key"])["properties"]
        for item in action["inputs"]:
            if "example" in item:
                pairs.append((schema[item["key"]], item["example"]))
    assert len(pairs) > 8
    found = resolve(pairs)
    assert found == [{"value": value} for _, value in pairs]
    assert all("error" in row for row in resolve([(schema, -1.5) for schema, _ in pairs]))
