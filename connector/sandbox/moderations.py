"""Moderations: every text passes but those that contain the mark of the content filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.sandbox.checks import Check, array, by_type, check_body, string
from connector.sandbox.faults import FILTER_MARK
from connector.sandbox.request import Request
from connector.sandbox.responses import Response, json_response

_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual",
    "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip

PARAMETERS: Mapping[str, Check] = {
    "model": string(1),
    "input": by_type("a string or an array", text=string(), items=array(string(), 1)),
}


def respond(request: Request) -> Response:
    """Respond to a moderations request."""
    check_body(request.body, PARAMETERS, "input")
    given = request.body["input"]
    texts: list[str] = [given] if isinstance(given, str) else given
    results = [_result(FILTER_MARK in text) for text in texts]
    head = {"id": f"modr-{request.digest[:29]}", "model": request.model}
    return json_response({**head, "results": results})


def _result(flagged: bool) -> dict[str, Any]:
    categories = {name: flagged and name == "violence" for name in _CATEGORIES}
    return {
        "flagged": flagged,
        "categories": categories,
        "category_scores": {name: 0.97 if hit else 0.0001 for name, hit in categories.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
