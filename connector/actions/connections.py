"""A function for each kind of connection: it turns fields into a provider and an authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.providers import api_key as key
from connector.providers import entra, keyless
from connector.providers.authentication import Authentication
from connector.providers.provider import Provider
from connector.providers.tokens import TokenClient


def api_key(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, Authentication]:
    """Return the provider that an API key belongs to, and the key.

    Raises ConnectorError `invalid_connection` or `blocked_target` that names the invalid field.
    """
    return key.connect(fields)


def entra_id(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, Authentication]:
    """Return the resource that an identity has access to, and the tokens for it.

    Raises ConnectorError `invalid_connection` or `blocked_target` and names the field at fault.
    """
    return entra.entra(fields)


def none(fields: Mapping[str, Any], tokens: TokenClient) -> tuple[Provider, Authentication]:
    """Return a compatible server that wants no key.

    Raises ConnectorError `invalid_connection` or `blocked_target` and names the field at fault.
    """
    return keyless.keyless(fields)
