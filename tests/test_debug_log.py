"""The line that each request leaves in the log at DEBUG."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connector import Connector
from tests.support import canary
from tests.support.front import call

INCOMPLETE = "200, but its body is incomplete"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"json": 1}, "200"),
        ({"status": 404, "json": 1}, "404"),
        ({"json": "x" * 99, "close": "mid_body"}, INCOMPLETE),
        ({"text": "x" * 99, "no_length": True, "reset": "mid_body"}, INCOMPLETE),
        ({"json": 1, "headers": {"content-length": 1 << 30}}, INCOMPLETE),
        ({"status": 404, "text": "x" * 99, "close": "mid_body"}, INCOMPLETE.replace("200", "404")),
        ({"reset": "after_request"}, "failed"),
    ],
)
def test_a_request_is_logged_with_its_outcome(
    connector: Connector, answer: Any, outcome: str
) -> None:
    with canary.all_logs() as logs:
        seen = call(connector, "rawRequest", answer, {"maxRetries": 0})
    assert len(seen.requests) == 1
    (line,) = [line for line in logs.getvalue().splitlines() if line.startswith("connector DEBUG")]
    pattern = rf"connector DEBUG GET http://127.0.0.1:\d+/v1/models -> {outcome} in \d+ ms \(.*"
    assert re.fullmatch(pattern, line)
