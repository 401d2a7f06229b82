"""What Airflow is told about the connections; the integration tests run the rest in Airflow."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from connector import Connector
from connector.doors.airflow.provider import get_provider_info
from connector.version import DISTRIBUTION

ROOT = Path(__file__).parent.parent
MANIFEST = Connector.load().manifest
TYPES = get_provider_info()["connection-types"]


def test_the_provider_has_the_name_of_the_distribution() -> None:
    assert get_provider_info()["package-name"] == DISTRIBUTION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (target,) = project["entry-points"]["apache_airflow_provider"].values()
    assert target == f"{get_provider_info.__module__}:{get_provider_info.__qualname__}"


def test_each_kind_of_connection_is_a_type() -> None:
    found = [(row["connection-type"], row["hook-class-name"].rpartition(".")[2]) for row in TYPES]
    assert found == [
        ("azure_openai_service_api_key", "ApiKeyHook"),
        ("azure_openai_service_entra_id", "EntraIdHook"),
        ("azure_openai_service_none", "NoneHook"),
    ]


@pytest.mark.parametrize(
    ("described", "kind"), [*zip(TYPES, MANIFEST.connections.values(), strict=True)]
)
def test_a_form_has_the_fields_of_its_kind(described: dict[str, Any], kind: Any) -> None:
    form = described["conn-fields"]
    assert list(form) == [item.key for item in kind.fields]
    for item in kind.fields:
        field = form[item.key]
        schema = field["schema"]
        assert field["label"] == item.label
        assert "](" not in field["description"]
        assert not [name for name in schema if name.startswith("x-")]
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert types[0] == item.schema["type"]
        assert ("null" not in types and "default" not in schema) is item.required
        assert (schema.get("format") == "password") is item.secret


def test_without_airflow_the_message_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['airflow'] = None\nimport connector.doors.airflow.operator as _"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last == f"ModuleNotFoundError: Airflow is missing: pip install '{DISTRIBUTION}[airflow]'"
