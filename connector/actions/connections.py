"""The kinds of connection: a function for each, from its fields to a provider and its
authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.providers import api_key as key
from connector.providers.authentication import Authentication
from connector.providers.provider import Provider
from connector.providers.tokens import TokenClient


def api_key(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, Authentication]:
    """Return the provider that an API key belongs to, and the key.

    Raises ConnectorError `invalid_connection` or `blocked_target` and names the field at fault.
    """
    return key.connect(fields)
