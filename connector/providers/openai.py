"""OpenAI, and servers that speak its API: from a connection's fields to a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.providers.fields import endpoint_of, field_error
from connector.providers.paths import OPERATIONS
from connector.providers.provider import Provider

_OPENAI = "https://api.openai.com"
_OPENAI_TAIL = re.compile(rf"(?P<base>.*?)(/v1(/({OPERATIONS}))?)?/*\Z")


def openai(fields: Mapping[str, Any]) -> Provider:
    """Return the provider that `fields` lead to: endpoint, organization.

    Raises ConnectorError `invalid_connection` or `blocked_target` that names the invalid field.
    """
    endpoint = endpoint_of(fields.get("endpoint") or _OPENAI)
    if endpoint.query:
        raise field_error("endpoint", "Endpoint", "must not have a query (the part after ?)")
    match = _OPENAI_TAIL.match(endpoint.path)
    headers = {}
    if fields.get("organization"):
        headers["OpenAI-Organization"] = fields["organization"]
    return Provider(
        name="openai",
        endpoint=endpoint,
        base=endpoint.origin + (match["base"] if match else ""),
        surface="/v1",
        headers=headers,
        key_header=("Authorization", "Bearer "),
    )
