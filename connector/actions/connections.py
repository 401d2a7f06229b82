"""A function for each kind of connection: it turns fields into a provider and an authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.providers import api_key as key
from connector.providers.authentication import Authentication
from connector.providers.provider import Provider
from connector.providers.tokens import TokenClient


def api_key(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, Authentication]:
    """Return the provider that an API key belongs to, and the key.

    Raises ConnectorError `invalid_connection` or `blocked_target` that names the invalid field.
    """
    return key.connect(fields)
