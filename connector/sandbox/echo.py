"""Echoes: below `/echo` the sandbox serves every path and returns the request as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.sandbox.keys import OPENAI_KEY, wrong_key
from connector.sandbox.request_log import Received
from connector.sandbox.responses import Response, json_response

KIND = "echo"
PREFIX = "/echo"


def is_echo(path: str) -> bool:
    """Whether a raw path, without the prefix of a fault, is one that is echoed."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def authenticate(headers: Mapping[str, str]) -> None:
    """Raise the error for a request without the sandbox's key, which may be in any header."""
    values = [value.rpartition(" ")[2] for value in headers.values()]
    if OPENAI_KEY not in values:
        found = [value for value in values if value.startswith(OPENAI_KEY)]
        raise wrong_key(found[0] if found else "")


def respond(received: Received, path: str) -> Response:
    """Return the request: its method, path, query, headers and body."""
    return json_response(
        {
            "method": received.method,
            "path": path.removeprefix(PREFIX) or "/",
            "query": dict(received.query),
            "headers": dict(received.headers),
            "body": _body(received.body),
        }
    )


def _body(body: bytes) -> Any:
    """Return JSON as data, other bodies as a text, and None if there is no body."""
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=_refuse)
    except ValueError:
        return body.decode(errors="replace")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
