"""Schemathesis sends what /openapi.json allows, and what it does not, to each of its operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from connector import Connector
from connector.doors import openapi
from connector.sandbox import Sandbox
from tests.support.http_door import RunningDoor, running_door

TOKEN = "a-token-of-the-operator"


@schemathesis.check
def no_defect(_: Any, response: Any, __: Any) -> None:
    """Instead of `not_a_server_error`: 424 is the provider's failure, and 504 is what a tiny
    `timeout` among the inputs asks for."""
    assert response.status_code != 500


CHECKS = [
    content_type_conformance,
    ignored_auth,
    no_defect,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
"""The checks of single calls, without three that do not hold.

- `negative_data_rejection`: cleaning accepts more than the schemas say. A text is converted, and
  null means the default.
- `positive_data_acceptance`: an action may have rules that no schema expresses, and the offline
  provider refuses what the services refuse.
- `unsupported_method`: the document has what engines call, and not the routes of form builders at
  the same paths.
"""


@pytest.fixture(scope="module")
def door(running_sandbox: Sandbox) -> Iterator[RunningDoor]:
    with running_door({"sandbox": running_sandbox.connection("openai")}, token=TOKEN) as running:
        yield running


schema = schemathesis.openapi.from_dict(openapi.document(Connector.load()))


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_door_is_what_its_document_says(door: RunningDoor, case: Any) -> None:
    if isinstance(case.body, dict) and "connection" in case.body:
        case.body["connection"] = "sandbox"  # a random name would lead no further
    headers = {"Authorization": f"Bearer {TOKEN}"}
    case.call_and_validate(base_url=door.url, headers=headers, checks=CHECKS)
